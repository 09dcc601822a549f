import type { Schema } from '@/kernel/wire'

export type Bookable = Schema<'BookableView'>
export type Booking = Schema<'BookingView'>
export type BookingTrigger = Booking['allowed'][number]
export type Suggestion = Schema<'SuggestionView'>
export type Series = Schema<'SeriesView'>
export type Kind = Bookable['kind']

/** From a moment until before another one, as the server writes them. */
export interface Span {
  starts_at: string
  ends_at: string
}

/** A time of one bookable that somebody has pointed at. */
export interface Wish extends Span {
  bookable: Bookable
}

export const KINDS = ['venue', 'hotel_room', 'car'] as const

/** What occupies a bookable, as far as the reader may know it: somebody else's has neither title nor name. */
export type CalendarEntry = Schema<'CalendarEntry'>

/** How many hours of a kind somebody may have. */
export type Quota = Schema<'QuotaView'>

/** How a hall can be set. */
export const LAYOUTS = ['theatre', 'classroom', 'u_shape', 'board', 'banquet', 'cocktail'] as const
export type Somebody = Schema<'BookingPersonView'>
