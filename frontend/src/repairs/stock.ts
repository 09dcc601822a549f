import type { Schema } from '@/kernel/wire'

export type Store = Schema<'StoreView'>
export type Part = Schema<'PartView'>
export type CostSheet = Schema<'CostSheetView'>
