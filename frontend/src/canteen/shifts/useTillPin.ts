import { computed } from 'vue'
import { signsAtTills } from '@/identity/rights'
import { useApi } from '@/kernel/api'
import { useLoad } from '@/kernel/load'
import type { Schema } from '@/kernel/wire'

export const MY_TILL_PIN = '/v1/me/till_pin'

/** One's own cashier PIN: whether it has been set. Nobody else is asked about it. */
export function useTillPin(roles: readonly string[]) {
  const api = useApi()
  const state = useLoad((signal) => api.get<Schema<'PinState'>>(MY_TILL_PIN, {}, signal), {
    immediate: signsAtTills(roles),
  })
  const missing = computed(() => state.data.value?.has_pin === false)
  return { state, missing }
}
