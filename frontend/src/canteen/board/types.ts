import type { Schema } from '@/kernel/wire'

export type MinuteBin = Schema<'MinuteView'>
export type BoardPayment = Schema<'LastPayment'>
export type BoardTerminal = Schema<'BoardTerminal'>

/** `GET /v1/canteens/{id}/board`: true at `position`; what follows comes over the line. */
export type BoardSnapshot = Schema<'BoardView'>

/** The latest sums, at most four times a second; only the minutes that may still have changed. */
export type BoardFrame = Pick<BoardSnapshot, 'business_date' | 'takings_fen' | 'count' | 'per_minute'>
