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
export type LateCase = Schema<'LateCaseView'>
export type Instruction = Schema<'InstructionView'>
export type Mapping = Schema<'MappingView'>
export type MappingEntry = Schema<'MappingEntry'>
export type MappingVersion = Schema<'MappingVersionView'>
export type PartnerRegion = Schema<'PartnerRegionView'>
export type PartnerStatement = Schema<'PartnerStatementView'>
export type BankAccount = Schema<'BankAccountView'>
export type Statement =
  paths['/v1/settlements/{settlement_id}/statements']['get']['responses'][200]['content']['application/json']['data'][number]

/** The way of a month, in order. */
export const STATES = ['open', 'cutoff', 'reconciled', 'statement_sent', 'confirmed', 'settled', 'locked'] as const

/** The region pairs first: that is where the money between regions is explained. */
export const STATEMENT_KINDS = ['region_pair', 'canteen', 'unit', 'operator'] as const

/** What the page has beside the months: whoever only reads sees the months alone. */
export const PARTS = ['months', 'vouchers', 'partners', 'accounts'] as const
export type Part = (typeof PARTS)[number]

/** Whose chart of accounts a voucher is in. */
export const OWNER_KINDS = ['unit', 'canteen', 'region'] as const
export type OwnerKind = (typeof OWNER_KINDS)[number]

/** Who has money in a region: the region itself, its canteens, its organisations. */
export type PartyKind = OwnerKind | 'other'
export interface Party extends Place {
  kind: PartyKind
}

/** Where somebody is in the drill: month, statement, day; kept in the address, so that back goes back. */
export interface Drill {
  period: string | null
  month: string | null
  statement: string | null
  day: string | null
}
