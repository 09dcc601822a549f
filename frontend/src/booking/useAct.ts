import { ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { ApiError } from '@/kernel/errors'

/** One press at a time, and the sentence of what went wrong with it. */
export function useAct() {
  const { t } = useI18n()
  const busy = ref(false)
  const problem = ref('')

  async function run(work: () => Promise<void>): Promise<boolean> {
    busy.value = true
    problem.value = ''
    try {
      await work()
      return true
    } catch (error) {
      problem.value = error instanceof ApiError ? error.message : t('kernel.offline.hint')
      return false
    } finally {
      busy.value = false
    }
  }
  return { busy, problem, run }
}
