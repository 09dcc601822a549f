import { computed, type ComputedRef } from 'vue'
import { useNow } from '@/kernel/ticker'

/** What is left until a moment, as `9:41`; null when there is none, or when it is over. */
export function useCountdown(until: () => string | null): ComputedRef<string | null> {
  const now = useNow(500)
  return computed(() => {
    const at = until()
    if (at === null) return null
    const leftS = Math.ceil((Date.parse(at) - now.value) / 1000)
    return leftS > 0 ? `${Math.floor(leftS / 60)}:${String(leftS % 60).padStart(2, '0')}` : null
  })
}
