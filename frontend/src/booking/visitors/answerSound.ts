import { tone } from '@/payments/till/sound'
import type { Answer } from './useCheckIn'

/** Heard without looking: rising for who may pass, one long note for who has passed before, low and doubled for a no. */
export function sayAnswer(kind: Answer['kind']): void {
  if (kind === 'counted' || kind === 'kept') {
    tone(880, 0, 0.1)
    tone(1318, 0.11, 0.2)
  } else if (kind === 'repeated') {
    tone(523, 0, 0.4)
  } else {
    tone(220, 0, 0.18, 'square')
    tone(196, 0.24, 0.3, 'square')
  }
}
