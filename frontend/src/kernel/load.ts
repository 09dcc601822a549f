import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import { NetworkError } from './errors'
import { useShelf, type Shelf } from './kept'

export interface Loading<T> {
  data: ShallowRef<T | null>
  error: ShallowRef<Error | null>
  loading: Ref<boolean>
  /** What is shown is not what the server says now: the line is down, or it is slow and this was kept from before. */
  stale: Ref<boolean>
  /** When the answer on the screen was given, by this device's clock. */
  at: Ref<number | null>
  reload: () => Promise<void>
}

export interface LoadOptions {
  immediate?: boolean
  /** Keeps the last answer on this person's shelf under a name and shows it until a newer one comes. */
  keep?: string
  /** The shelf, where it is not provided above: for whoever provides it. */
  shelf?: Shelf
}

/** Without a network it is asked again by itself. */
const RETRY_MS = 5_000
/** How long something kept may stand without being called old. */
const PATIENCE_MS = 1_500

/** One thing read from the server and the states a screen must draw for it. */
export function useLoad<T>(read: (signal: AbortSignal) => Promise<T>, options: LoadOptions = {}): Loading<T> {
  const shelf = options.keep === undefined ? null : (options.shelf ?? useShelf())
  const kept = shelf && options.keep !== undefined ? shelf.read<T>(options.keep) : null
  const data = shallowRef<T | null>(kept?.value ?? null)
  const at = ref(kept?.at ?? null)
  const error = shallowRef<Error | null>(null)
  const loading = ref(false)
  const stale = ref(false)
  let current: AbortController | null = null
  let retry: ReturnType<typeof setTimeout> | undefined
  const impatience = kept
    ? setTimeout(() => {
        if (at.value === kept.at) stale.value = true
      }, PATIENCE_MS)
    : undefined

  function take(answer: T): void {
    data.value = answer
    at.value = Date.now()
    error.value = null
    stale.value = false
    if (options.keep !== undefined) shelf?.write(options.keep, answer, at.value)
  }

  async function reload(): Promise<void> {
    clearTimeout(retry)
    current?.abort()
    const mine = new AbortController()
    current = mine
    loading.value = true
    try {
      const answer = await read(mine.signal)
      if (current === mine) take(answer)
    } catch (caught) {
      if (current !== mine) return
      error.value = caught instanceof Error ? caught : new Error(String(caught))
      stale.value = caught instanceof NetworkError && data.value !== null
      if (caught instanceof NetworkError) retry = setTimeout(() => void reload(), RETRY_MS)
    } finally {
      if (current === mine) loading.value = false
    }
  }

  const whenBack = () => {
    if (error.value instanceof NetworkError) void reload()
  }
  window.addEventListener('online', whenBack)
  onScopeDispose(() => {
    clearTimeout(retry)
    clearTimeout(impatience)
    current?.abort()
    current = null
    window.removeEventListener('online', whenBack)
  })
  if (options.immediate !== false) void reload()
  return { data, error, loading, stale, at, reload }
}
