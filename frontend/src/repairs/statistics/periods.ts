import type { Asked } from './types'

export const PERIODS = ['weeks4', 'weeks12', 'month', 'last_month', 'year', 'own'] as const
export type Period = (typeof PERIODS)[number]

const DAY_MS = 86_400_000
const MONDAY_FIRST = 6

/** Days without a zone: `2026-11-23` and how many to go on. */
function plus(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10)
}

function mondayOf(day: string): string {
  return plus(day, -((new Date(`${day}T00:00:00Z`).getUTCDay() + MONDAY_FIRST) % 7))
}

/** First and last day of a period that ends today, or has ended with the last month. */
export function daysOf(period: Exclude<Period, 'own'>, today: string): Pick<Asked, 'from' | 'to'> {
  const month = `${today.slice(0, 8)}01`
  if (period === 'weeks4') return { from: plus(mondayOf(today), -21), to: today }
  if (period === 'weeks12') return { from: plus(mondayOf(today), -77), to: today }
  if (period === 'month') return { from: month, to: today }
  if (period === 'year') return { from: `${today.slice(0, 4)}-01-01`, to: today }
  const last = plus(month, -1)
  return { from: `${last.slice(0, 8)}01`, to: last }
}
