import { computed, onScopeDispose, ref, shallowRef } from 'vue'
import { newIdempotencyKey, useApi } from '@/kernel/api'
import { useChannel } from '@/realtime/useRealtime'
import { isUndecided } from '../asking/undecided'
import type { TopUp } from './types'

interface Wanted {
  amount_fen: number
  channel: string
}

/** The event tells it within the second; this is for a line that is cut just then. */
const LOOK_EVERY_MS = 4_000

/** One top-up from its amount to its end. `settled` is told when money has arrived or nothing more will come. */
export function useTopUp(settled: () => void) {
  const api = useApi()
  const current = shallowRef<TopUp | null>(null)
  const cashFen = ref<number | null>(null)
  const busy = ref(false)
  const failure = shallowRef<Error | null>(null)
  let wanted: Wanted | null = null
  let key = ''

  const undecided = computed(() => isUndecided(failure.value))

  async function send(): Promise<void> {
    if (busy.value || !wanted) return
    busy.value = true
    try {
      // Longer than the server waits for the gateway, twice.
      current.value = await api.post<TopUp>('/v1/me/top_ups', wanted, { idempotencyKey: key, timeoutMs: 25_000 })
      failure.value = null
      wanted = null
    } catch (caught) {
      failure.value = caught as Error
    } finally {
      busy.value = false
    }
  }

  function open(amountFen: number, channel: string): Promise<void> {
    wanted = { amount_fen: amountFen, channel }
    key = newIdempotencyKey()
    return send()
  }

  async function look(): Promise<void> {
    const shown = current.value
    if (shown?.status !== 'pending') return
    const found = await api.get<TopUp>(`/v1/me/top_ups/${shown.id}`).catch(() => null)
    if (found && current.value?.id === found.id && current.value.status === 'pending') show(found)
  }

  function show(topUp: TopUp): void {
    current.value = topUp
    if (topUp.status !== 'pending') settled()
  }

  function forget(): void {
    current.value = null
    failure.value = null
    wanted = null
    settled()
  }

  useChannel('me', {
    onEvent: (event) => {
      if (event.data.top_up !== current.value?.id || !current.value) return
      if (event.type === 'top_up.succeeded') {
        cashFen.value = (event.data.purses as { cash_fen?: number } | undefined)?.cash_fen ?? null
        show({ ...current.value, status: 'succeeded', qr_text: null })
      }
      if (event.type === 'top_up.closed') show({ ...current.value, status: 'closed', qr_text: null })
    },
    onResync: () => void look(),
  })
  const timer = setInterval(() => void look(), LOOK_EVERY_MS)
  onScopeDispose(() => clearInterval(timer))

  return { current, cashFen, busy, failure, undecided, open, send, show, forget }
}
