import type { Schema } from '@/kernel/wire'

export type DifferenceCase = Schema<'DifferenceCaseView'>
export type AccountTopUp = Schema<'ChannelTopUpView'>
