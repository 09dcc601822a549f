import { dateIn } from '@/kernel/days'
import type { Shift } from './types'

const HOUR_MS = 3_600_000

/** Where something stands on a line from one moment to another: both ends in per cent, cut off at the line's ends. */
export function placeOn(
  span: { starts_at: string; ends_at: string },
  line: { starts_at: string; ends_at: string },
): { left: number; width: number } | null {
  const first = Date.parse(line.starts_at)
  const length = Date.parse(line.ends_at) - first
  const left = Math.max(0, (Date.parse(span.starts_at) - first) / length)
  const right = Math.min(1, (Date.parse(span.ends_at) - first) / length)
  return right > left ? { left: left * 100, width: (right - left) * 100 } : null
}

/** Each person's shifts in a row of their own, in the order in which they first come. */
export function rowsOf(shifts: readonly Shift[]): { id: string; name: string; shifts: Shift[] }[] {
  const rows = new Map<string, { id: string; name: string; shifts: Shift[] }>()
  for (const shift of shifts) {
    const row = rows.get(shift.person.id) ?? { ...shift.person, shifts: [] }
    row.shifts.push(shift)
    rows.set(shift.person.id, row)
  }
  return [...rows.values()]
}

/** The midnights of a week, or of however many days there are, by the zone of the team. */
export function daysOf(line: { starts_at: string; ends_at: string }, zone: string): string[] {
  const days: string[] = []
  // Noon of each day: whatever the clock does at night, there is one in each.
  for (let at = Date.parse(line.starts_at) + 12 * HOUR_MS; at < Date.parse(line.ends_at); at += 24 * HOUR_MS) {
    days.push(dateIn(zone, at))
  }
  return [...new Set(days)]
}
