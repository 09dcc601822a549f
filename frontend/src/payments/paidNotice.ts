import type { EventOf } from '@/kernel/wire'
import type { RealtimeEvent } from '@/realtime/client'
import type { Leg } from './types'

/** What the phone tells its owner at the moment of payment. */
export interface PaidNotice {
  id: string
  amount_fen: number
  legs: Leg[]
  canteen_name: string
  happened_at: string
  credential?: string
}

/** From the fact as it came over the line. */
export function noticeFrom(event: RealtimeEvent): PaidNotice {
  const data = event.data as unknown as EventOf<'payment.succeeded'>
  return {
    id: data.payment,
    amount_fen: data.amount_fen,
    legs: data.legs as unknown as Leg[],
    canteen_name: data.canteen_name,
    happened_at: event.happened_at,
    credential: data.credential,
  }
}
