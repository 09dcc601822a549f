/** Times arrive in UTC and are read in the canteen's own zone, whatever the device believes. */
const ZONE = 'Asia/Shanghai'

const formats = new Map<string, Intl.DateTimeFormat>()

function format(name: string, locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${name} ${locale}`
  let made = formats.get(key)
  if (!made) {
    made = new Intl.DateTimeFormat(locale, { timeZone: ZONE, hourCycle: 'h23', ...options })
    formats.set(key, made)
  }
  return made
}

/** `12:04` */
export function clockTime(at: string | number | Date, locale: string): string {
  return format('clock', locale, { hour: '2-digit', minute: '2-digit' }).format(new Date(at))
}

/** `12:04:31` */
export function clockSeconds(at: string | number | Date, locale: string): string {
  return format('seconds', locale, { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(new Date(at))
}

/** `11月23日 12:04` / `23 Nov, 12:04` */
export function dayTime(at: string | number | Date, locale: string): string {
  return format('dayTime', locale, {
    month: locale.startsWith('zh') ? 'long' : 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
  }).format(new Date(at))
}

/** A calendar date (`2026-11-23`) as people say it; it has no zone, so none is applied. */
export function calendarDay(date: string, locale: string): string {
  return new Intl.DateTimeFormat(locale, {
    timeZone: 'UTC',
    month: locale.startsWith('zh') ? 'long' : 'short',
    day: 'numeric',
    weekday: 'short',
  }).format(new Date(`${date.slice(0, 10)}T00:00:00Z`))
}

/** A month (`2026-11`) as people say it. */
export function monthName(period: string, locale: string): string {
  return new Intl.DateTimeFormat(locale, { timeZone: 'UTC', year: 'numeric', month: 'long' }).format(
    new Date(`${period}-01T00:00:00Z`),
  )
}

/** Today's date in the canteen's zone, as `YYYY-MM-DD`. */
export function today(): string {
  return format('iso', 'en-CA', { year: 'numeric', month: '2-digit', day: '2-digit' }).format(new Date())
}

/** The business date a moment belongs to: the day ends at 02:00. */
export function businessDate(at: string | number | Date): string {
  const moved = new Date(new Date(at).getTime() - 2 * 3_600_000)
  return format('iso', 'en-CA', { year: 'numeric', month: '2-digit', day: '2-digit' }).format(moved)
}

/** Whole days from today until a date or moment; negative when it has passed. */
export function daysUntil(at: string): number {
  const day = (text: string) => Math.round(Date.parse(`${text}T00:00:00Z`) / 86_400_000)
  const date = /^\d{4}-\d{2}-\d{2}$/.test(at)
    ? at
    : format('iso', 'en-CA', { year: 'numeric', month: '2-digit', day: '2-digit' }).format(new Date(at))
  return day(date) - day(today())
}
