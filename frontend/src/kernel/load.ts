import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import { NetworkError } from './errors'

export interface Loading<T> {
  data: ShallowRef<T | null>
  error: ShallowRef<Error | null>
  loading: Ref<boolean>
  /** The last answer is kept on the screen while the line is down. */
  stale: Ref<boolean>
  reload: () => Promise<void>
}

/** Without a network it is asked again by itself. */
const RETRY_MS = 5_000

/** One thing read from the server and the states a screen must draw for it. */
export function useLoad<T>(
  read: (signal: AbortSignal) => Promise<T>,
  options: { immediate?: boolean } = {},
): Loading<T> {
  const data = shallowRef<T | null>(null)
  const error = shallowRef<Error | null>(null)
  const loading = ref(false)
  const stale = ref(false)
  let current: AbortController | null = null
  let retry: ReturnType<typeof setTimeout> | undefined

  async function reload(): Promise<void> {
    clearTimeout(retry)
    current?.abort()
    const mine = new AbortController()
    current = mine
    loading.value = true
    try {
      const answer = await read(mine.signal)
      if (current !== mine) return
      data.value = answer
      error.value = null
      stale.value = false
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
    current?.abort()
    current = null
    window.removeEventListener('online', whenBack)
  })
  if (options.immediate !== false) void reload()
  return { data, error, loading, stale, reload }
}
