import { nameIn } from '@/kernel/names'
import type { EventOf } from '@/kernel/wire'
import type { RealtimeEvent } from '@/realtime/client'
import type { Leg } from './types'

/** What the phone tells its owner at the moment of payment. */
export interface PaidNotice {
  id: string
  amount_fen: number
  legs: Leg[]
  canteen_name: string
  canteen_name_en: string
  happened_at: string
  credential?: string
}

/** Where it was, in the reader's language as far as it was told. */
export function canteenOf(paid: { canteen_name: string; canteen_name_en: string }, locale: string): string {
  return nameIn({ name_zh: paid.canteen_name, name_en: paid.canteen_name_en }, locale)
}

/** From the fact as it came over the line. */
export function noticeFrom(event: RealtimeEvent): PaidNotice {
  const data = event.data as unknown as EventOf<'payment.succeeded'>
  return {
    id: data.payment,
    amount_fen: data.amount_fen,
    legs: data.legs as unknown as Leg[],
    canteen_name: data.canteen_name,
    canteen_name_en: data.canteen_name_en ?? '',
    happened_at: event.happened_at,
    credential: data.credential,
  }
}
