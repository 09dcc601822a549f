/** How often something comes again, as the form asks it. */
export interface Repeat {
  every: 'never' | 'day' | 'week' | 'month'
  /** Every so many of them. */
  interval: number
  /** Monday is 0; for `week`. */
  weekdays: number[]
  ends: 'count' | 'until'
  count: number
  /** A day of the calendar. */
  until: string
}

const CODES = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'] as const
const FREQUENCY = { day: 'DAILY', week: 'WEEKLY', month: 'MONTHLY' } as const

export function once(day: string): Repeat {
  return { every: 'never', interval: 1, weekdays: [weekdayOf(day)], ends: 'count', count: 4, until: day }
}

export function weekdayOf(day: string): number {
  return (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7
}

/** As a rule of iCalendar; null for what happens once. */
export function ruleOf(repeat: Repeat): string | null {
  if (repeat.every === 'never') return null
  const parts = [`FREQ=${FREQUENCY[repeat.every]}`]
  if (repeat.interval > 1) parts.push(`INTERVAL=${repeat.interval}`)
  if (repeat.every === 'week')
    parts.push(
      `BYDAY=${repeat.weekdays
        .toSorted()
        .map((day) => CODES[day])
        .join(',')}`,
    )
  parts.push(repeat.ends === 'count' ? `COUNT=${repeat.count}` : `UNTIL=${repeat.until.replaceAll('-', '')}T235959`)
  return parts.join(';')
}
