import { computed } from 'vue'
import { useI18n } from 'vue-i18n'
import { useApi, type ApiClient } from '@/kernel/api'
import { useLoad } from '@/kernel/load'
import { nameIn } from '@/kernel/names'
import { readAll } from '@/kernel/page'
import type { Me } from '@/identity/types'
import type { Region, TreePlace } from './types'

/** The regions with their names, and the one that whoever is signed in works for. */
export function useRegions() {
  const api = useApi()
  const { locale } = useI18n()
  const regions = useLoad((signal) => readAll<Region>(api, '/v1/regions', {}, signal))
  const me = useLoad((signal) => api.get<Me>('/v1/me', {}, signal))
  const own = computed(() => {
    const granted = me.data.value?.grants.find((grant) => grant.region !== null)?.region
    return granted ?? me.data.value?.region?.id ?? regions.data.value?.[0]?.id ?? ''
  })
  function regionName(id: string): string {
    const found = regions.data.value?.find((each) => each.id === id)
    return found ? nameIn(found, locale.value) : ''
  }
  return { regions, own, regionName }
}

/** Whose region a place is in: what is kept for a place is kept there. */
export async function regionOf(api: ApiClient, place: string): Promise<string> {
  return (await api.get<TreePlace>(`/v1/places/${place}`)).region
}
