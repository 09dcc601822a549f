import type { Schema } from '@/kernel/wire'

export type TopUp = Schema<'ChannelTopUpView'>
export type TopUpChannels = Schema<'TopUpChannels'>
export type TopUpChannel = Schema<'TopUpChannel'>
