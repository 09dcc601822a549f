import { ref, shallowRef } from 'vue'
import { newIdempotencyKey, useApi } from '@/kernel/api'
import { ApiError } from '@/kernel/errors'
import type { Named } from '@/kernel/names'
import type { PaidNotice } from '../paidNotice'
import type { RoughPlace } from './roughPlace'
import { isUndecided } from '../asking/undecided'
import type { PaymentAnswer, ScanSale } from './types'

export interface ScanOrder extends ScanSale {
  place_code: string
  location?: RoughPlace
}

/**
 * One payment at a wall code. Its number is made before it is sent and kept until an answer came, so that trying again
 * after a cut line pays once; a refusal was an answer, and the next try is a new payment.
 */
export function useScanPayment(canteen: () => Named) {
  const api = useApi()
  const busy = ref(false)
  const failure = shallowRef<Error | null>(null)
  /** The same was paid seconds ago: waits for a yes. */
  const repeated = ref(false)
  const paid = shallowRef<PaidNotice | null>(null)
  let key: string | null = null
  let sent = ''

  async function pay(order: ScanOrder, confirmed = false): Promise<void> {
    const body = JSON.stringify(order)
    if (key === null || body !== sent) key = newIdempotencyKey()
    sent = body
    busy.value = true
    failure.value = null
    repeated.value = false
    try {
      const answer = await api.post<PaymentAnswer>(
        '/v1/me/scan_payments',
        { ...order, confirm_repeat: confirmed },
        { idempotencyKey: key },
      )
      key = null
      paid.value = noticeOf(answer, canteen())
    } catch (error) {
      take(error as Error)
    } finally {
      busy.value = false
    }
  }

  function take(error: Error): void {
    if (error instanceof ApiError && error.code === 'CONFIRM_REPEAT') {
      repeated.value = true
      return
    }
    failure.value = error
    if (!isUndecided(error)) key = null
  }

  function letGo(): void {
    repeated.value = false
    key = null
  }

  return { busy, failure, repeated, paid, pay, letGo }
}

function noticeOf(answer: PaymentAnswer, canteen: Named): PaidNotice {
  return {
    id: answer.id,
    amount_fen: answer.amount_fen,
    legs: answer.legs,
    canteen_name: canteen.name_zh,
    canteen_name_en: canteen.name_en,
    happened_at: answer.happened_at,
  }
}
