import { computed, onMounted, onScopeDispose, ref, shallowRef } from 'vue'
import { useApi } from '@/kernel/api'
import { ApiError, NetworkError } from '@/kernel/errors'
import { useShelf } from '@/kernel/kept'
import { useOnline } from '@/kernel/online'
import { useNow } from '@/kernel/ticker'
import { codeAskedEarly, earlyWait, type Arrived } from './earlyCode'
import {
  forgetCode,
  keepCode,
  keptCode,
  PATIENCE_MS,
  REFRESH_AFTER_MS,
  refreshInS as refreshInSAt,
  shareLeft,
  usableForS as usableForSAt,
} from './heldOut'
import type { PayCode } from './types'
import { useVouchers } from './useVouchers'

const RETRY_AFTER_MS = 2_000

/** An answer that asking again will not change. */
function refused(error: unknown): boolean {
  return error instanceof ApiError && !error.retryable && error.status < 500
}

export function usePayCode() {
  const api = useApi()
  const shelf = useShelf()
  const vouchers = useVouchers()
  const now = useNow(250)
  const before = keptCode(shelf)
  const early = earlyWait()
  const code = shallowRef<PayCode | null>(before?.value ?? null)
  const error = shallowRef<Error | null>(null)
  const issuing = ref(false)
  const paused = ref(false)
  const slow = ref(early.heldVoucher)
  const online = useOnline()
  // Counted by this device from the moment of arrival: its clock may be minutes off the server's.
  const arrivedAt = ref(before?.at ?? 0)
  let triedAt = 0

  const age = computed(() => (code.value ? Math.max(0, now.value - arrivedAt.value) : 0))
  const refreshInS = computed(() => refreshInSAt(age.value))
  const usableForS = computed(() => usableForSAt(age.value))
  const expired = computed(() => code.value !== null && usableForS.value === 0)
  const share = computed(() => shareLeft(age.value))
  /** What is held out when no fresh code can be had: it pays at a till that reads the square. */
  const voucher = computed(() => {
    if (paused.value || (code.value && !expired.value)) return null
    return !online.value || error.value instanceof NetworkError || slow.value ? vouchers.usable(now.value) : null
  })

  async function issue(waitingSince = Date.now()): Promise<void> {
    if (issuing.value) return
    issuing.value = true
    triedAt = Date.now()
    const impatience = setTimeout(() => (slow.value = true), waitingSince + PATIENCE_MS - Date.now())
    try {
      take((await codeAskedEarly(api.currentToken())) ?? (await ask()))
    } catch (caught) {
      error.value = caught as Error
      if (refused(caught)) withdraw()
    } finally {
      clearTimeout(impatience)
      issuing.value = false
    }
  }

  async function ask(): Promise<Arrived> {
    const code = await api.post<PayCode>('/v1/me/pay_codes')
    return { code, at: Date.now() }
  }

  function take(fresh: Arrived): void {
    slow.value = false
    error.value = null
    if (paused.value) return
    code.value = fresh.code
    arrivedAt.value = fresh.at
    now.value = Date.now()
    keepCode(shelf, fresh.code, fresh.at)
    void vouchers.refill()
  }

  /** Lost, frozen or signed out: what is on the screen or kept pays no more either. */
  function withdraw(): void {
    code.value = null
    forgetCode(shelf)
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
    forgetCode(shelf)
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
  onMounted(() => void issue(early.since))

  return {
    code,
    voucher,
    error,
    issuing,
    now,
    refreshInS,
    usableForS,
    expired,
    share,
    issue: () => issue(),
    pause,
    resume,
  }
}
