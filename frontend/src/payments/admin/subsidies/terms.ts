import { parseYuan, plainYuan } from '@/kernel/money'
import type { CarryOver, Scope } from './types'

/** What a form holds of where and when a lot can be spent, and of what is carried over. */
export interface LotTerms {
  sites: string[]
  meals: string[]
  days: string[]
  carryDays: string
  carryYuan: string
  carryPercent: string
}

export function termsFrom(scope: Scope, carryOver: CarryOver | null): LotTerms {
  return {
    sites: scope.sites ?? [],
    meals: scope.meals ?? [],
    days: scope.days ?? [],
    carryDays: carryOver ? String(carryOver.days) : '',
    carryYuan: carryOver?.max_fen ? plainYuan(carryOver.max_fen).replaceAll(',', '') : '',
    carryPercent: carryOver?.percent ? String(carryOver.percent) : '',
  }
}

/** The scope as the wire has it: what is not named is not limited. */
export function scopeOf(terms: LotTerms): Scope {
  const named = { sites: terms.sites, meals: terms.meals, days: terms.days }
  return Object.fromEntries(Object.entries(named).filter(([, values]) => values.length > 0))
}

/** What is carried over; null for nothing, undefined where something is missing. */
export function carryOverOf(terms: LotTerms): CarryOver | null | undefined {
  if (!terms.carryDays.trim()) return null
  const days = whole(terms.carryDays)
  const max = terms.carryYuan.trim() ? parseYuan(terms.carryYuan) : null
  const percent = terms.carryPercent.trim() ? whole(terms.carryPercent) : null
  if (!days || (max === null && percent === null) || percent === undefined) return undefined
  return { days, max_fen: max, percent }
}

export function whole(text: string): number | undefined {
  return /^\d{1,4}$/.test(text.trim()) ? Number(text.trim()) : undefined
}
