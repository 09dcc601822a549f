import type { Schema } from '@/kernel/wire'

export type Withdrawal = Schema<'WithdrawalView'>
export type WithdrawalTerms = Schema<'WithdrawalTerms'>
