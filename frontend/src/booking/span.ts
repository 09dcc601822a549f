import { clockIn, dateIn, instantIn, moveDay } from '@/kernel/days'
import type { Bookable, Span } from './types'

export const MINUTE_MS = 60_000
/** What the pictures snap to. */
export const STEP_MINUTES = 30

/** Part of one day on a wall clock: minutes after midnight. */
export interface Hours {
  from: number
  to: number
}

const DAYTIME: Hours = { from: 8 * 60, to: 20 * 60 }

function minutesOf(wall: string): number {
  const [hours = 0, minutes = 0] = wall.split(':').map(Number)
  return hours * 60 + minutes
}

/** When one is open; null is round the clock. A closing at midnight is the end of the day. */
export function openingOf(bookable: Bookable): Hours | null {
  if (bookable.opens_at === null || bookable.closes_at === null) return null
  const from = minutesOf(bookable.opens_at)
  const to = minutesOf(bookable.closes_at)
  return { from, to: to > from ? to : 24 * 60 }
}

/** The hours that a picture of these must show, in whole hours. */
export function hoursOf(bookables: readonly Bookable[]): Hours {
  const found = bookables.map(openingOf).filter((each) => each !== null)
  if (found.length === 0) return DAYTIME
  const from = Math.min(...found.map((each) => each.from))
  const to = Math.max(...found.map((each) => each.to))
  return { from: Math.floor(from / 60) * 60, to: Math.ceil(to / 60) * 60 }
}

/** `570` -> `09:30`, and the end of the day as `24:00`. */
export function wallOf(minutes: number): string {
  return `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`
}

/** The instants of two wall times of a day; the end of the day is the next midnight. */
export function spanOn(zone: string, day: string, from: number, to: number): Span {
  return { starts_at: instantOn(zone, day, from), ends_at: instantOn(zone, day, to) }
}

function instantOn(zone: string, day: string, minutes: number): string {
  const days = Math.floor(minutes / 1440)
  return instantIn(zone, `${moveDay(day, days)}T${wallOf(minutes - days * 1440)}`)
}

/** What a wall clock of the zone shows, in minutes after the midnight of `day`; negative before it. */
export function minutesIn(zone: string, day: string, at: string): number {
  const shown = dateIn(zone, at)
  const days = (Date.parse(shown) - Date.parse(day)) / 86_400_000
  return days * 1440 + minutesOf(clockIn(zone, at))
}

/** What of a day's hours a span covers; null where it covers nothing. */
export function partOf(span: Span, zone: string, day: string, hours: Hours): Hours | null {
  const from = Math.max(hours.from, minutesIn(zone, day, span.starts_at))
  const to = Math.min(hours.to, minutesIn(zone, day, span.ends_at))
  return to > from ? { from, to } : null
}

export function overlaps(one: Span, other: Span): boolean {
  return one.starts_at < other.ends_at && other.starts_at < one.ends_at
}

/** What is left of a day's hours between the parts that are taken. */
export function freeOf(hours: Hours, taken: readonly Hours[]): Hours[] {
  const free: Hours[] = []
  let from = hours.from
  for (const part of taken.toSorted((a, b) => a.from - b.from)) {
    if (part.from > from) free.push({ from, to: Math.min(part.from, hours.to) })
    from = Math.max(from, part.to)
  }
  if (from < hours.to) free.push({ from, to: hours.to })
  return free
}

/** Whether it is open on a day of the week at all. */
export function isOpenOn(bookable: Bookable, day: string): boolean {
  return bookable.weekdays.includes((new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7)
}

/** The day's hours in which one can be booked, closed times taken away: what the pictures leave white. */
export function bookableHours(bookable: Bookable, day: string, hours: Hours): Hours | null {
  if (!isOpenOn(bookable, day)) return null
  const open = openingOf(bookable)
  if (!open) return hours
  const from = Math.max(open.from, hours.from)
  const to = Math.min(open.to, hours.to)
  return to > from ? { from, to } : null
}

/** `09:30–11:00`, with the day where it is not the same one. */
export function spanWords(span: Span, zone: string, dayName: (day: string) => string): string {
  const [first, last] = [dateIn(zone, span.starts_at), dateIn(zone, span.ends_at)]
  const [from, to] = [clockIn(zone, span.starts_at), clockIn(zone, span.ends_at)]
  if (first === last) return `${dayName(first)} ${from}–${to}`
  return `${dayName(first)} ${from} – ${dayName(last)} ${to}`
}
