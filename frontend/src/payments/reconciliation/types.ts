import type { Schema } from '@/kernel/wire'

export type Overview = Schema<'ReconciliationOverview'>
export type Level = Schema<'ReconciliationLevelView'>
export type Difference = Schema<'ReconciliationDifferenceView'>
export type Bill = Schema<'ChannelBillView'>
export type Runs = Schema<'ReconciliationRunsView'>
export type BadCell = Schema<'BadCell'>
