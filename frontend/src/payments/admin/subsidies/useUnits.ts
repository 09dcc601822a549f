import { computed, ref, watch } from 'vue'
import { useI18n } from 'vue-i18n'
import type { Me, Organisation } from '@/identity/types'
import { useApi } from '@/kernel/api'
import { useLoad } from '@/kernel/load'
import { nameIn } from '@/kernel/names'
import { readAll } from '@/kernel/page'

const READERS = ['finance', 'system_admin', 'audit_admin']

/** The unit that the pages are about; the choice survives from part to part. */
const chosen = ref('')

/** The units within this person's reach; regions are left to the server, which knows their tree. */
export function useUnits() {
  const api = useApi()
  const { locale } = useI18n()
  const units = useLoad(async (signal) => {
    const [me, all] = await Promise.all([
      api.get<Me>('/v1/me', {}, signal),
      readAll<Organisation>(api, '/v1/organisations', { kind: 'unit' }, signal),
    ])
    const grants = me.grants.filter((grant) => READERS.includes(grant.role))
    const granted = new Set(grants.map((grant) => grant.organisation))
    const reached = grants.some((grant) => !grant.organisation) ? all : all.filter((unit) => granted.has(unit.id))
    // One's own unit first: it is what one comes for.
    return [...reached.filter((unit) => unit.id === me.unit?.id), ...reached.filter((unit) => unit.id !== me.unit?.id)]
  })
  const options = computed(() =>
    (units.data.value ?? []).map((unit) => ({ value: unit.id, label: nameIn(unit, locale.value) })),
  )
  watch(units.data, (list) => {
    if (list && !list.some((unit) => unit.id === chosen.value)) chosen.value = list[0]?.id ?? ''
  })
  return { units, options, chosen }
}
