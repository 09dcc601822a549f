import { watch, type Ref } from 'vue'
import type { Organisation } from '@/identity/types'
import { useApi } from '@/kernel/api'
import { useLoad } from '@/kernel/load'
import type { Named } from '@/kernel/names'
import { readAll } from '@/kernel/page'
import type { Party, Place } from './types'

/** Everybody who has money in a region, the region itself first; departments have their unit's. Read anew for each region. */
export function useParties(region: Ref<Place | null>) {
  const api = useApi()
  const parties = useLoad(
    async (signal): Promise<Party[]> => {
      if (!region.value) return []
      const within = { region: region.value.id }
      const [canteens, organisations] = await Promise.all([
        readAll<Named & { id: string }>(api, '/v1/canteens', within, signal),
        readAll<Organisation>(api, '/v1/organisations', within, signal),
      ])
      return [
        { ...named(region.value), kind: 'region' },
        ...canteens.map((each): Party => ({ ...named(each), kind: 'canteen' })),
        ...organisations
          .filter((each) => each.kind !== 'department')
          .map((each): Party => ({ ...named(each), kind: each.kind === 'unit' ? 'unit' : 'other' })),
      ]
    },
    { immediate: false },
  )
  watch(
    () => region.value?.id,
    () => {
      parties.data.value = null
      void parties.reload()
    },
    { immediate: true },
  )
  return parties
}

function named(each: Named & { id: string }): Place {
  return { id: each.id, name_zh: each.name_zh, name_en: each.name_en }
}
