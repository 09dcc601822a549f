import { formatYuan } from '@/kernel/money'
import type { CarryOver, Scope } from './types'

type Translate = (key: string, values?: Record<string, unknown>) => string

/** Where and when, in words; the canteens by the names that are given. */
export function scopeWords(t: Translate, scope: Scope, canteens: string[] = []): string {
  const parts = [
    ...canteens,
    ...(scope.meals ?? []).map((meal) => t(`payments.meal.${meal}`)),
    ...(scope.days ?? []).map((day) => t(`payments.subsidies.scope.day.${day}`)),
  ]
  if (!canteens.length && scope.sites?.length)
    parts.unshift(`${t('payments.subsidies.scope.canteens')} ${scope.sites.length}`)
  return parts.join(' · ')
}

/** What may be kept at the end, in words; empty where all of it goes back. */
export function carryWords(t: Translate, carryOver: CarryOver | null): string {
  if (!carryOver) return ''
  const what = [
    carryOver.max_fen ? t('payments.subsidies.carry.upTo', { yuan: formatYuan(carryOver.max_fen) }) : '',
    carryOver.percent ? t('payments.subsidies.carry.share', { percent: carryOver.percent }) : '',
  ].filter(Boolean)
  return t('payments.subsidies.carry.said', { what: what.join(' / '), days: carryOver.days })
}
