import { onScopeDispose, ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { useApi } from '@/kernel/api'
import { ApiError } from '@/kernel/errors'

const SHOWN_MS = 4_000

/** A slip at the till's printer; what came of it stands on the key for a moment. */
export function useSlip() {
  const api = useApi()
  const { t } = useI18n()
  const state = ref('')
  let timer: ReturnType<typeof setTimeout> | undefined
  onScopeDispose(() => clearTimeout(timer))

  async function print(paymentId: string): Promise<void> {
    clearTimeout(timer)
    state.value = t('payments.till.slipPrinting')
    try {
      await api.post(`/v1/payments/${paymentId}/slip`)
      state.value = t('payments.till.slipPrinted')
    } catch (error) {
      state.value = error instanceof ApiError ? error.message : t('payments.till.offline')
    }
    timer = setTimeout(() => {
      state.value = ''
    }, SHOWN_MS)
  }

  return { state, print }
}
