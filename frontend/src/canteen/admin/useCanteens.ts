import { computed, ref, watch } from 'vue'
import { useI18n } from 'vue-i18n'
import { useApi } from '@/kernel/api'
import { useLoad } from '@/kernel/load'
import { nameIn } from '@/kernel/names'
import { readAll } from '@/kernel/page'
import type { Canteen } from '../types'

/** The canteens and which of them a page is about; the choice survives from page to page. */
const chosen = ref('')

export function useCanteens() {
  const api = useApi()
  const { locale } = useI18n()
  const canteens = useLoad((signal) => readAll<Canteen>(api, '/v1/canteens', {}, signal))
  const options = computed(() => (canteens.data.value ?? []).map((canteen) => ({ value: canteen.id, label: nameIn(canteen, locale.value) })))
  watch(canteens.data, (list) => {
    if (list && !list.some((canteen) => canteen.id === chosen.value)) chosen.value = list[0]?.id ?? ''
  })
  return { canteens, options, chosen }
}
