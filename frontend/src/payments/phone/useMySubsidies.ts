import { watch, type Ref } from 'vue'
import { useApi } from '@/kernel/api'
import { useLoad } from '@/kernel/load'
import type { Lot, MySubsidies } from '../types'

/** One's own subsidies with scope and forecast; asked for again whenever the purses have changed. */
export function useMySubsidies(lots: Ref<Lot[]>) {
  const api = useApi()
  const mine = useLoad((signal) => api.get<MySubsidies>('/v1/me/subsidies', {}, signal), { keep: 'subsidies' })
  watch(lots, () => void mine.reload())
  return mine
}
