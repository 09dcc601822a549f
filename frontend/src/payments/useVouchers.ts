import { shallowRef } from 'vue'
import { useApi } from '@/kernel/api'
import { ApiError } from '@/kernel/errors'
import { useShelf } from '@/kernel/kept'
import type { Page } from '@/kernel/page'
import type { Voucher, VoucherStatus } from './types'

/** A voucher as this device keeps it; its end in this device's own time, which may be minutes off the server's. */
export interface KeptVoucher extends Voucher {
  endsAt: number
}

const KEPT = 'voucher'

/** One code for this meal, fetched while there is a network, for the moment when there is none. */
export function useVouchers() {
  const api = useApi()
  const shelf = useShelf()
  const kept = shallowRef(shelf.read<KeptVoucher>(KEPT)?.value ?? null)
  let busy = false
  /** Today's are all given out, or there is no meal to come: asked again when the page is opened again. */
  let noneToHave = false

  function usable(at: number): KeptVoucher | null {
    return kept.value && kept.value.endsAt > at ? kept.value : null
  }

  function keep(voucher: Voucher): void {
    const life = Date.parse(voucher.expires_at) - Date.parse(voucher.issued_at)
    kept.value = { ...voucher, endsAt: Date.now() + life }
    shelf.write(KEPT, kept.value)
  }

  function drop(): void {
    kept.value = null
    shelf.remove(KEPT)
  }

  /** Sees whether the kept one still pays, and fetches another where it does not. */
  async function refill(): Promise<void> {
    if (busy || noneToHave) return
    busy = true
    try {
      if (usable(Date.now())) await forgetIfUsed()
      if (!usable(Date.now())) keep(await api.post<Voucher>('/v1/me/vouchers'))
    } catch (error) {
      // A voucher is a precaution: without one the page works as before.
      noneToHave = error instanceof ApiError && !error.retryable
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
