import { computed, onMounted, onScopeDispose, ref, shallowRef } from 'vue'
import { useApi } from '@/kernel/api'
import { ApiError, NetworkError } from '@/kernel/errors'
import { useShelf, type Kept } from '@/kernel/kept'
import { useOnline } from '@/kernel/online'
import { useNow } from '@/kernel/ticker'
import { codeAskedEarly } from './earlyCode'
import type { PayCode } from './types'
import { useVouchers } from './useVouchers'

/** A code lives 60 s and is replaced after 45; the one before it stays good to its own end. */
const REFRESH_AFTER_MS = 45_000
const LIFE_MS = 60_000
const RETRY_AFTER_MS = 2_000
/** How long somebody in a queue waits for a fresh code before the kept one is held out. */
const PATIENCE_MS = 1_200
const KEPT = 'code'

/** An answer that asking again will not change. */
function refused(error: unknown): boolean {
  return error instanceof ApiError && !error.retryable && error.status < 500
}

export function usePayCode() {
  const api = useApi()
  const shelf = useShelf()
  const vouchers = useVouchers()
  const now = useNow(250)
  const before = aliveOne(shelf.read<PayCode>(KEPT))
  const code = shallowRef<PayCode | null>(before?.value ?? null)
  const error = shallowRef<Error | null>(null)
  const issuing = ref(false)
  const paused = ref(false)
  const slow = ref(false)
  const online = useOnline()
  // Counted by this device from the moment of arrival: its clock may be minutes off the server's.
  const arrivedAt = ref(before?.at ?? 0)
  let triedAt = 0

  const age = computed(() => (code.value ? Math.max(0, now.value - arrivedAt.value) : 0))
  const refreshInS = computed(() => Math.max(0, Math.ceil((REFRESH_AFTER_MS - age.value) / 1000)))
  const usableForS = computed(() => Math.max(0, Math.ceil((LIFE_MS - age.value) / 1000)))
  const expired = computed(() => code.value !== null && usableForS.value === 0)
  const share = computed(() => Math.max(0, 1 - age.value / REFRESH_AFTER_MS))
  /** What is held out when no fresh code can be had: it pays at a till that reads the square. */
  const voucher = computed(() => {
    if (paused.value || (code.value && !expired.value)) return null
    return !online.value || error.value instanceof NetworkError || slow.value ? vouchers.usable(now.value) : null
  })

  async function issue(): Promise<void> {
    if (issuing.value) return
    issuing.value = true
    triedAt = Date.now()
    const impatience = setTimeout(() => (slow.value = true), PATIENCE_MS)
    try {
      take((await codeAskedEarly(api.currentToken())) ?? (await api.post<PayCode>('/v1/me/pay_codes')))
    } catch (caught) {
      error.value = caught as Error
      if (refused(caught)) withdraw()
    } finally {
      clearTimeout(impatience)
      issuing.value = false
    }
  }

  function take(fresh: PayCode): void {
    slow.value = false
    error.value = null
    if (paused.value) return
    code.value = fresh
    arrivedAt.value = Date.now()
    now.value = arrivedAt.value
    shelf.write(KEPT, fresh, arrivedAt.value)
    void vouchers.refill()
  }

  /** Lost, frozen or signed out: what is on the screen or kept pays no more either. */
  function withdraw(): void {
    code.value = null
    shelf.remove(KEPT)
    vouchers.drop()
  }

  function tick(): void {
    if (paused.value || document.hidden || issuing.value) return
    if (refused(error.value) || Date.now() - triedAt < RETRY_AFTER_MS) return
    if (error.value || !code.value || Date.now() - arrivedAt.value >= REFRESH_AFTER_MS) void issue()
  }

  /** While a result is on the screen no codes are spent. */
  function pause(): void {
    paused.value = true
    code.value = null
    shelf.remove(KEPT)
  }

  function resume(): void {
    paused.value = false
    void issue()
  }

  const timer = setInterval(tick, 500)
  document.addEventListener('visibilitychange', tick)
  window.addEventListener('online', tick)
  onScopeDispose(() => {
    clearInterval(timer)
    document.removeEventListener('visibilitychange', tick)
    window.removeEventListener('online', tick)
  })
  onMounted(() => void issue())

  return { code, voucher, error, issuing, now, refreshInS, usableForS, expired, share, issue, pause, resume }
}

function aliveOne(kept: Kept<PayCode> | null): Kept<PayCode> | null {
  const age = kept ? Date.now() - kept.at : LIFE_MS
  return age >= 0 && age < LIFE_MS ? kept : null
}
