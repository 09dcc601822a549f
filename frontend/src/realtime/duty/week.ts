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

export function dateIn(zone: string, at: string | number): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(
    new Date(at),
  )
}

export function clockIn(zone: string, at: string): string {
  return new Intl.DateTimeFormat('en-GB', { timeZone: zone, hour: '2-digit', minute: '2-digit' }).format(new Date(at))
}

/** `2026-11-23` moved by days; a calendar date has no zone. */
export function moveDay(day: string, by: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + by * 24 * HOUR_MS).toISOString().slice(0, 10)
}

/** The Monday of a day's week. */
export function mondayOf(day: string): string {
  const weekday = (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7
  return moveDay(day, -weekday)
}

/** The instant at which a wall clock of a zone shows this: `2026-11-23T20:00` there, as the server takes it. */
export function instantIn(zone: string, wall: string): string {
  const guess = Date.parse(`${wall}:00Z`)
  const shown = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  }).format(new Date(guess))
  return new Date(guess - (Date.parse(`${shown.replace(' ', 'T')}Z`) - guess)).toISOString()
}

/** The same the other way: what a wall clock shows, for a form's field. */
export function wallIn(zone: string, at: string): string {
  return `${dateIn(zone, at)}T${clockIn(zone, at)}`
}
