import { computed, reactive, ref, shallowReactive, watch } from 'vue'
import type { ApiClient } from '@/kernel/api'
import { useLoad } from '@/kernel/load'
import type { TreePlace } from './types'

export interface PlaceLine {
  place: TreePlace
  depth: number
  isOpen: boolean
}

interface Children {
  data: TreePlace[]
}

const SEARCH_AFTER_MS = 200
const FOUND_MAX = 100

/** The tree as far as it has been opened: children are fetched when somebody looks below a place. */
export function usePlaceTree(api: ApiClient) {
  const words = ref('')
  const alsoRetired = ref(false)
  const opened = reactive(new Set<string>())
  const children = shallowReactive(new Map<string, TreePlace[]>())
  const roots = useLoad((signal) =>
    words.value.trim()
      ? api.get<Children>(
          '/v1/places',
          { q: words.value.trim(), limit: FOUND_MAX, also_retired: alsoRetired.value },
          signal,
        )
      : api.get<Children>('/v1/places/tree', { also_retired: alsoRetired.value }, signal),
  )
  const isSearch = computed(() => words.value.trim() !== '')

  async function fetchBelow(id: string): Promise<void> {
    const found = await api.get<Children>('/v1/places/tree', { parent: id, also_retired: alsoRetired.value })
    children.set(id, found.data)
  }

  async function toggle(place: TreePlace): Promise<void> {
    if (opened.has(place.id)) {
      opened.delete(place.id)
      return
    }
    if (!children.has(place.id)) await fetchBelow(place.id)
    opened.add(place.id)
  }

  /** After a change: all that is open is asked for again, so that order and counts are the server's. */
  async function refresh(show?: string): Promise<void> {
    if (show) opened.add(show)
    await Promise.all([roots.reload(), ...[...opened].map((id) => fetchBelow(id))])
  }

  function below(places: TreePlace[], depth: number): PlaceLine[] {
    return places.flatMap((place) => {
      const isOpen = opened.has(place.id) && !isSearch.value
      return [{ place, depth, isOpen }, ...(isOpen ? below(children.get(place.id) ?? [], depth + 1) : [])]
    })
  }
  const lines = computed(() => below(roots.data.value?.data ?? [], 0))

  let waiting: ReturnType<typeof setTimeout> | undefined
  watch(words, () => {
    clearTimeout(waiting)
    waiting = setTimeout(() => void roots.reload(), SEARCH_AFTER_MS)
  })
  watch(alsoRetired, () => void refresh())
  // One campus alone opens by itself: there is nothing else to choose.
  watch(roots.data, (found) => {
    const [only] = found?.data ?? []
    if (found?.data.length === 1 && only && !isSearch.value && opened.size === 0 && only.children > 0) void toggle(only)
  })
  return { words, alsoRetired, roots, lines, isSearch, toggle, refresh }
}
