import { computed, onMounted, onScopeDispose, ref, shallowRef } from 'vue'
import { useApi } from '@/kernel/api'
import { ApiError } from '@/kernel/errors'
import { useNow } from '@/kernel/ticker'
import type { PayCode } from './types'

/** A code lives 60 s and is replaced after 45; the one before it stays good to its own end. */
const REFRESH_AFTER_MS = 45_000
const LIFE_MS = 60_000
const RETRY_AFTER_MS = 2_000

/** An answer that asking again will not change. */
function refused(error: unknown): boolean {
  return error instanceof ApiError && !error.retryable && error.status < 500
}

export function usePayCode() {
  const api = useApi()
  const code = shallowRef<PayCode | null>(null)
  const error = shallowRef<Error | null>(null)
  const issuing = ref(false)
  const paused = ref(false)
  const now = useNow(250)
  // Counted by this device from the moment of arrival: its clock may be minutes off the server's.
  const arrivedAt = ref(0)
  let triedAt = 0

  const age = computed(() => (code.value ? Math.max(0, now.value - arrivedAt.value) : 0))
  const refreshInS = computed(() => Math.max(0, Math.ceil((REFRESH_AFTER_MS - age.value) / 1000)))
  const usableForS = computed(() => Math.max(0, Math.ceil((LIFE_MS - age.value) / 1000)))
  const expired = computed(() => code.value !== null && usableForS.value === 0)
  const share = computed(() => Math.max(0, 1 - age.value / REFRESH_AFTER_MS))

  async function issue(): Promise<void> {
    if (issuing.value) return
    issuing.value = true
    triedAt = Date.now()
    try {
      code.value = await api.post<PayCode>('/v1/me/pay_codes')
      arrivedAt.value = Date.now()
      now.value = arrivedAt.value
      error.value = null
    } catch (caught) {
      error.value = caught as Error
      // Lost, frozen or signed out: the code on the screen pays no more either.
      if (refused(caught)) code.value = null
    } finally {
      issuing.value = false
    }
  }

  function tick(): void {
    if (paused.value || document.hidden || issuing.value) return
    if (refused(error.value) || Date.now() - triedAt < RETRY_AFTER_MS) return
    if (!code.value || Date.now() - arrivedAt.value >= REFRESH_AFTER_MS) void issue()
  }

  /** While a result is on the screen no codes are spent. */
  function pause(): void {
    paused.value = true
    code.value = null
  }

  function resume(): void {
    paused.value = false
    void issue()
  }

  const timer = setInterval(tick, 500)
  document.addEventListener('visibilitychange', tick)
  onScopeDispose(() => {
    clearInterval(timer)
    document.removeEventListener('visibilitychange', tick)
  })
  onMounted(() => void issue())

  return { code, error, issuing, refreshInS, usableForS, expired, share, issue, pause, resume }
}
