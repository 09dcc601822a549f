import type { IconName } from '@/kernel/UiIcon.vue'
import type { CallKind } from './types'

/** What one may need, in the order of the buttons, each with its picture. */
export const KINDS: readonly { kind: CallKind; icon: IconName }[] = [
  { kind: 'medical', icon: 'medical' },
  { kind: 'lift', icon: 'lift' },
  { kind: 'security', icon: 'shield' },
  { kind: 'lost_property', icon: 'bag' },
  { kind: 'other', icon: 'bell' },
]

export function iconOf(kind: CallKind): IconName {
  return KINDS.find((each) => each.kind === kind)?.icon ?? 'bell'
}

/** Somebody may still come; after that there is nothing to wait for. */
export function isOpen(state: string): boolean {
  return ['placed', 'ringing', 'queued', 'acknowledged', 'connected', 'on_site', 'handed_over'].includes(state)
}

/** Nobody has it yet. */
export function isWaiting(state: string): boolean {
  return ['placed', 'ringing', 'queued', 'handed_over'].includes(state)
}
