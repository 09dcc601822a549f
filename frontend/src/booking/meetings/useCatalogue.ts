import { inject, provide, type InjectionKey } from 'vue'
import { useApi } from '@/kernel/api'
import { useLoad, type Loading } from '@/kernel/load'
import { nameIn } from '@/kernel/names'
import { readAll } from '@/kernel/page'
import type { Schema } from '@/kernel/wire'
import type { Bookable } from '../types'

export interface Catalogue {
  venues: Bookable[]
  cars: Bookable[]
  rooms: Bookable[]
  canteens: Schema<'CanteenView'>[]
}

const CatalogueKey: InjectionKey<Loading<Catalogue>> = Symbol('catalogue')

/** All that lines can be made of, read once for a page. */
export function provideCatalogue(): Loading<Catalogue> {
  const api = useApi()
  const loading = useLoad<Catalogue>(async (signal) => {
    const [venues, cars, rooms, canteens] = await Promise.all([
      readAll<Bookable>(api, '/v1/bookables', { kind: 'venue' }, signal),
      readAll<Bookable>(api, '/v1/bookables', { kind: 'car' }, signal),
      readAll<Bookable>(api, '/v1/bookables', { kind: 'hotel_room' }, signal),
      readAll<Schema<'CanteenView'>>(api, '/v1/canteens', {}, signal),
    ])
    return { venues, cars, rooms, canteens }
  })
  provide(CatalogueKey, loading)
  return loading
}

export function useCatalogue(): Loading<Catalogue> {
  const found = inject(CatalogueKey)
  if (!found) throw new Error('no catalogue is provided above this component')
  return found
}

export function nameOfVenue(catalogue: Catalogue | null, id: string | undefined, locale: string): string {
  const all = [...(catalogue?.venues ?? []), ...(catalogue?.cars ?? [])]
  const found = all.find((each) => each.id === id)
  return found ? nameIn(found, locale) : ''
}
