import { ref } from 'vue'
import { useApi } from '@/kernel/api'

export type LostAct = 'report_lost' | 'unlist'

/** Stops everything on the account, or lets it go on; `then` reads what has become of it. */
export function useLost(then: () => Promise<void>) {
  const api = useApi()
  const busy = ref(false)
  const failure = ref<Error | null>(null)

  async function change(act: LostAct): Promise<void> {
    busy.value = true
    failure.value = null
    try {
      await api.post(`/v1/me/${act}`)
      await then()
    } catch (error) {
      failure.value = error as Error
    } finally {
      busy.value = false
    }
  }

  return { busy, failure, change }
}
