import type { Schema } from '@/kernel/wire'

export type Dispute = Schema<'DisputeView'>
export type DisputeTrigger = Dispute['allowed'][number]
export type DisputeReason = Dispute['reason']

/** In the order in which people meet them. */
export const REASONS: readonly DisputeReason[] = [
  'wrong_amount',
  'duplicate',
  'missing_subsidy',
  'not_me',
  'wrong_unit',
  'location_mismatch',
  'late_offline',
]

/** Those about which only a sum can be said: of the others the whole payment is meant. */
export const WITH_AMOUNT: readonly DisputeReason[] = ['wrong_amount', 'missing_subsidy']

/** Something is still to be said or done. */
export function isUnderWay(dispute: Dispute): boolean {
  return ['open', 'rejected', 'escalated', 'accepted', 'upheld'].includes(dispute.state)
}
