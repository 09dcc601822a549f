import type { Schema } from '@/kernel/wire'

export type Statistics = Schema<'RepairStatistics'>
export type OrderCounts = Schema<'OrderCounts'>
export type PromiseFigures = Schema<'PromiseFigures'>

/** What has a name in both languages; where it has none, it was not given. */
export type NamedFigures = Schema<'NamedFigures'>

/** What is asked for. */
export interface Asked {
  region: string
  category: string
  place: string
  from: string
  to: string
  by: 'week' | 'month'
}

export const MILESTONES = ['response', 'arrival', 'resolution'] as const

/** A table as it stands on the screen: words and figures, the first column names the row. */
export interface Sheet {
  columns: string[]
  rows: (string | number)[][]
}
