import type { paths } from '@/generated/api'
import type { Schema } from '@/kernel/wire'

export type Month = Schema<'SettlementView'>
export type MonthDetail = Schema<'SettlementDetail'>
export type Positions = Schema<'PositionsView'>
export type Owed = Schema<'OwedView'>
export type Place = Schema<'PlaceView'>
export type Line = Schema<'LineView'>
export type MealUnder = Schema<'MealView'>
export type StatementFile = Schema<'StatementFileView'>
export type Statement =
  paths['/v1/settlements/{settlement_id}/statements']['get']['responses'][200]['content']['application/json']['data'][number]

/** The way of a month, in order. */
export const STATES = ['open', 'cutoff', 'reconciled', 'statement_sent', 'confirmed', 'settled', 'locked'] as const

/** The region pairs first: that is where the money between regions is explained. */
export const STATEMENT_KINDS = ['region_pair', 'canteen', 'unit', 'operator'] as const

/** Where somebody is in the drill: month, statement, day; kept in the address, so that back goes back. */
export interface Drill {
  period: string | null
  month: string | null
  statement: string | null
  day: string | null
}
