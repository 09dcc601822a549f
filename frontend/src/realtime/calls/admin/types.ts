import type { Schema } from '@/kernel/wire'

export type Policy = Schema<'PolicyView'>
export type PolicyStep = Schema<'PolicyStep'>
export type PolicyTarget = Schema<'PolicyTarget'>
export type PolicyPreview = Schema<'PolicyPreview'>
export type Region = Schema<'RegionView'>

export const TARGET_ROLES = ['duty_staff', 'dispatcher', 'technician', 'canteen_manager'] as const
