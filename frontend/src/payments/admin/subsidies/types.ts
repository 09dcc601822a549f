import type { Schema } from '@/kernel/wire'

export type Batch = Schema<'BatchView'>
export type BatchRow = Schema<'BatchRowView'>
export type BatchReport = Schema<'BatchReport'>
export type Rule = Schema<'RuleView'>
export type Attendance = Schema<'AttendanceView'>
export type AttendanceReport = Schema<'AttendanceReport'>
export type Expiring = Schema<'ExpiringView'>
export type Terms = Schema<'TermsView'>
export type CarryOver = Schema<'CarryOverBody'>
export type Scope = Record<string, string[]>

export const PARTS = ['batches', 'rules', 'lists', 'expiring', 'terms'] as const
export type Part = (typeof PARTS)[number]
export const MEALS = ['breakfast', 'lunch', 'dinner', 'night'] as const
export const DAYS = [
  ...(['workday', 'weekend', 'holiday'] as const),
  ...(['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const),
]
export const CLASSES = ['staff', 'contract', 'retired', 'family'] as const
