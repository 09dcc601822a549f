import { newIdempotencyKey, type ApiClient } from '@/kernel/api'
import { ApiError } from '@/kernel/errors'
import type { Booking, BookingTrigger, Series, Span, Suggestion } from './types'

/** What the server is told of a booking; its own name keeps it one, however often it is sent. */
export interface BookingDraft extends Partial<Span> {
  bookable: string
  title: string
  attendees: number
  request_id: string
  /** Instead of two instants: a hotel room is had by nights. */
  first_night?: string
  nights?: number
  layout?: string | null
  served?: string | null
  waitlist?: boolean
}

export interface SeriesDraft extends Omit<BookingDraft, 'waitlist' | 'first_night' | 'nights'> {
  rule: string
  on_clash: 'fail' | 'skip'
}

/** A key without hyphens is a UUID all the same. */
export function newRequestId(): string {
  const key = newIdempotencyKey()
  if (key.includes('-')) return key
  return [key.slice(0, 8), key.slice(8, 12), key.slice(12, 16), key.slice(16, 20), key.slice(20)].join('-')
}

export const hold = (api: ApiClient, draft: BookingDraft) => api.post<Booking>('/v1/bookings', draft)
export const holdSeries = (api: ApiClient, draft: SeriesDraft) => api.post<Series>('/v1/booking_series', draft)

export function pull(
  api: ApiClient,
  booking: { id: string; version?: number },
  trigger: BookingTrigger,
  answer: Partial<Span> & { words?: string } = {},
): Promise<Booking> {
  const body = booking.version === undefined ? answer : { ...answer, version: booking.version }
  return api.post<Booking>(`/v1/bookings/${booking.id}/${trigger}`, body)
}

/** Everything of a series that is still to come, from an occurrence on. */
export const endSeries = (api: ApiClient, series: string, starts_from: string) =>
  api.post<Series>(`/v1/booking_series/${series}/cancel`, { starts_from })

/** What else would do, out of a refusal; null where it was refused for another reason. */
export function suggestionsOf(error: unknown): Suggestion[] | null {
  if (!(error instanceof ApiError) || error.code !== 'BOOKING_CLASH') return null
  return error.data.suggestions as Suggestion[]
}

/** One occurrence of a series that cannot be had, and what could. */
export interface Clash extends Span {
  code: string
  suggestions: Suggestion[]
}

export function clashesOf(error: unknown): Clash[] | null {
  if (!(error instanceof ApiError) || error.code !== 'SERIES_CLASH') return null
  return error.data.clashes as Clash[]
}
