import { clockIn, dateIn, instantIn, moveDay } from '@/kernel/days'
import type { Bookable, Span, Wish } from '../types'

/** A time as a form has it: on the wall clock of the place. */
export interface When {
  day: string
  from: string
  until: string
  nights: number
}

/** Whether a room is had by nights: then nobody chooses hours. */
export const byNights = (bookable: Bookable) => bookable.arrive_at !== null && bookable.leave_at !== null

export const NIGHTS_MAX = 90

export function whenOf({ bookable, starts_at, ends_at }: Wish): When {
  const [day, last] = [dateIn(bookable.zone, starts_at), dateIn(bookable.zone, ends_at)]
  return {
    day,
    from: clockIn(bookable.zone, starts_at),
    until: clockIn(bookable.zone, ends_at),
    nights: Math.max(1, Math.round((Date.parse(last) - Date.parse(day)) / 86_400_000)),
  }
}

/** The instants of what was chosen; an end before its beginning is on the next day. */
export function spanOfWhen(bookable: Bookable, { day, from, until, nights }: When): Span {
  const { zone } = bookable
  if (byNights(bookable)) {
    return {
      starts_at: instantIn(zone, `${day}T${bookable.arrive_at}`),
      ends_at: instantIn(zone, `${moveDay(day, nights)}T${bookable.leave_at}`),
    }
  }
  const lastDay = until > from ? day : moveDay(day, 1)
  return {
    starts_at: instantIn(zone, `${day}T${from}`),
    ends_at: instantIn(zone, `${lastDay}T${until === '24:00' ? '00:00' : until}`),
  }
}

/** The same as the server takes it: a hotel keeps its own hours. */
export function wantedOf(bookable: Bookable, when: When): Partial<Span> & { first_night?: string; nights?: number } {
  return byNights(bookable) ? { first_night: when.day, nights: when.nights } : spanOfWhen(bookable, when)
}
