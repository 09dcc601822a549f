import type { Schema } from '@/kernel/wire'

/** What a meeting wants, line by line: sent as it is, and given back by suggestions. */
interface Common {
  title?: string
  scan_rule?: 'once' | 'daily' | 'always'
}
export interface VenueLine extends Common {
  kind: 'venue'
  bookable: string
  starts_at: string
  ends_at: string
}
export interface RoomsLine extends Common {
  kind: 'rooms'
  room_type: string
  count: number
  first_night: string
  nights: number
  place?: string
}
export interface CarLine extends Common {
  kind: 'car'
  seats: number
  starts_at: string
  ends_at: string
  from_text: string
  to_text: string
  with_driver: boolean
  bookable?: string
}
export interface MealsLine extends Common {
  kind: 'meals'
  canteen: string
  business_date: string
  meal: string
  covers: number
}
export interface BadgesLine extends Common {
  kind: 'badges'
  count: number
}
export type Line = VenueLine | RoomsLine | CarLine | MealsLine | BadgesLine
export type LineKind = Line['kind']

export type AgendaItem = Schema<'AgendaItem'>
export type Contact = Schema<'Contact'>

export interface NewMeeting {
  request_id: string
  title: string
  attendees: number
  words: string
  lines: Line[]
  agenda: AgendaItem[]
  contacts: Contact[]
}

export type LinePlace = Schema<'LinePlaceView'>
/** The wire leaves a line's wish open; the screens know the kinds. */
export type LineView = Omit<Schema<'MeetingLineView'>, 'kind' | 'wanted'> & { kind: LineKind; wanted: Line }
export type Meeting = Omit<Schema<'MeetingView'>, 'lines'> & { lines: LineView[] }
export type Quote = Schema<'MeetingQuoteView'>

export interface LineSuggestion {
  kind: 'near' | 'similar' | 'day' | 'fewer'
  line: Line
}

export interface LineClash {
  /** Its place in what was sent, or the line that was to be changed. */
  line: number | string
  kind: LineKind
  code: string
  message_zh: string
  message_en: string
  data: Record<string, unknown>
  suggestions: LineSuggestion[]
}

export type Guest = Schema<'GuestView'>
export type GuestPreview = Schema<'GuestImport'>
export type Arrivals = Schema<'Arrivals'>

export const LINE_KINDS = ['venue', 'rooms', 'car', 'meals', 'badges'] as const
export const DIETS = [
  'halal',
  'vegetarian',
  'vegan',
  'low_salt',
  'mild',
  'gluten_free',
  'no_peanuts',
  'no_seafood',
] as const
export const MEALS = ['breakfast', 'lunch', 'dinner', 'night'] as const
export const ROOM_TYPES = ['single', 'twin', 'double', 'suite', 'accessible'] as const
