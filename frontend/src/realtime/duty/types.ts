import type { Schema } from '@/kernel/wire'

export type Team = Schema<'DutyTeamView'>
export type Shift = Schema<'DutyShiftView'>
export type Rota = Schema<'RotaView'>
export type Override = Schema<'OverrideView'>
export type Rotation = Schema<'RotationView'>
export type Swap = Schema<'SwapView'>
export type DutyNote = Schema<'DutyNoteView'>
export type MyDuty = Schema<'MyDuty'>
export type Coverage = Schema<'CoverageView'>
export type DutyWarning = Coverage['warnings'][number]
export type Path = Schema<'PathView'>
export type Channel = Schema<'ChannelView'>

export const ROLES = ['duty_staff', 'technician', 'dispatcher', 'canteen_manager'] as const
export const CHANNEL_KINDS = ['dingtalk', 'wecom', 'sms', 'voice'] as const
export const WEEKDAYS = [1, 2, 3, 4, 5, 6, 7] as const
