import type { Schema } from '@/kernel/wire'

export type Desk = Schema<'DeskView'>
export type DeskSnapshot = Schema<'DeskSnapshot'>
export type DeskBoard = Schema<'DeskBoard'>
export type Present = Schema<'PresentView'>
export type HandOverTarget = Schema<'TargetView'>
