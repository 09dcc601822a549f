import { shallowRef } from 'vue'
import { useApi } from '@/kernel/api'
import { ApiError } from '@/kernel/errors'
import { useShelf } from '@/kernel/kept'
import type { Page } from '@/kernel/page'
import { businessDate } from '@/kernel/time'
import { forgetVoucher, keepVoucher, keptVoucher, usableVoucher } from './heldOut'
import type { Voucher, VoucherStatus } from './types'

const NONE_LEFT = 'voucher.none_left'

/** One code for this meal, fetched while there is a network, for the moment when there is none. */
export function useVouchers() {
  const api = useApi()
  const shelf = useShelf()
  const kept = shallowRef(keptVoucher(shelf))
  let busy = false
  /** There is no meal to come, or no voucher for other reasons: asked again when the page is opened again. */
  let noneToHave = false
  /** Today's are all given out: asked again tomorrow. */
  const noneLeft = () => shelf.read<string>(NONE_LEFT)?.value === businessDate(Date.now())

  const usable = (at: number) => usableVoucher(kept.value, at)

  function drop(): void {
    kept.value = null
    forgetVoucher(shelf)
  }

  /** Sees whether the kept one still pays, and fetches another where it does not. */
  async function refill(): Promise<void> {
    if (busy || noneToHave) return
    busy = true
    try {
      if (usable(Date.now())) await forgetIfUsed()
      if (!usable(Date.now()) && !noneLeft()) {
        kept.value = keepVoucher(shelf, await api.post<Voucher>('/v1/me/vouchers'))
      }
    } catch (error) {
      // A voucher is a precaution: without one the page works as before.
      noneToHave = error instanceof ApiError && !error.retryable
      if (error instanceof ApiError && error.data.reason === 'given_out') {
        shelf.write(NONE_LEFT, businessDate(Date.now()))
      }
    } finally {
      busy = false
    }
  }

  async function forgetIfUsed(): Promise<void> {
    const given = await api.get<Page<VoucherStatus>>('/v1/me/vouchers')
    const mine = given.data.find((each) => each.id === kept.value?.id)
    if (!mine || mine.used) drop()
  }

  return { usable, refill, drop }
}
