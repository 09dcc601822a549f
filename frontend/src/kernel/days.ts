/** Days and wall clocks of a zone, as forms write them; the server is sent instants. */
const DAY_MS = 86_400_000

/** The calendar date there at an instant: `2026-11-23`. */
export function dateIn(zone: string, at: string | number): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(
    new Date(at),
  )
}

/** What a clock there shows at an instant: `20:00`. */
export function clockIn(zone: string, at: string): string {
  return new Intl.DateTimeFormat('en-GB', { timeZone: zone, hour: '2-digit', minute: '2-digit' }).format(new Date(at))
}

/** `2026-11-23` moved by days; a calendar date has no zone. */
export function moveDay(day: string, by: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + by * DAY_MS).toISOString().slice(0, 10)
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
