import { computed, ref, watch } from 'vue'
import { useI18n } from 'vue-i18n'
import { covers } from '@/identity/rights'
import type { Me } from '@/identity/types'
import { useApi } from '@/kernel/api'
import { useLoad } from '@/kernel/load'
import { nameIn } from '@/kernel/names'
import { readAll } from '@/kernel/page'
import type { Canteen } from '../types'

/** They look at everything and change nothing. */
const READERS = ['security_admin', 'audit_admin', 'finance', 'canteen_manager', 'system_admin']

export const KITCHEN_ROLES = ['canteen_manager', 'system_admin']
export const PRICE_ROLES = ['canteen_manager', 'finance', 'system_admin']

/** The canteen that the pages are about; the choice survives from page to page. */
const chosen = ref('')

/** The canteens within this person's reach, and whether these roles let them change each. */
export function useCanteens(roles: string[]) {
  const api = useApi()
  const { locale } = useI18n()
  const canteens = useLoad(async (signal) => {
    const [me, all] = await Promise.all([
      api.get<Me>('/v1/me', {}, signal),
      readAll<Canteen>(api, '/v1/canteens', {}, signal),
    ])
    return all
      .filter((canteen) => covers(me, [...roles, ...READERS], canteen))
      .map((canteen) => ({ ...canteen, editable: covers(me, roles, canteen) }))
  })
  const options = computed(() =>
    (canteens.data.value ?? []).map((canteen) => ({ value: canteen.id, label: nameIn(canteen, locale.value) })),
  )
  watch(canteens.data, (list) => {
    if (list && !list.some((canteen) => canteen.id === chosen.value)) chosen.value = list[0]?.id ?? ''
  })
  const editable = computed(
    () => canteens.data.value?.find((canteen) => canteen.id === chosen.value)?.editable ?? false,
  )
  return { canteens, options, chosen, editable }
}
