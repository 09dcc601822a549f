import { computed, shallowRef, type ComputedRef } from 'vue'
import { ApiClient } from '@/kernel/api'
import { ApiError } from '@/kernel/errors'
import { clearShelves, shelfOf, type Shelf } from '@/kernel/kept'
import { locale } from '@/kernel/locale'
import { readStored, removeStored, writeStored } from '@/kernel/storage'
import type { SessionAnswer, SignedInPerson } from './types'

/** Who is signed in on one screen. Each screen (and each pane of the demo) has its own. */
export interface Session {
  api: ApiClient
  person: ComputedRef<SignedInPerson | null>
  token: () => string | null
  /** What this screen keeps of whoever is signed in; gone when they leave. */
  shelf: () => Shelf
  signIn: (username: string, password: string) => Promise<void>
  signOut: () => Promise<void>
}

const made = new Map<string, Session>()

/** The session kept under this name; the same name always gives the same session. */
export function useSession(name: string): Session {
  let session = made.get(name)
  if (!session) {
    session = createSession(name)
    made.set(name, session)
  }
  return session
}

function createSession(name: string): Session {
  const key = `guanjia.session.${name}`
  const kept = shallowRef<SessionAnswer | null>(readStored<SessionAnswer>(key))
  const token = () => kept.value?.token ?? null
  const api = new ApiClient(token, () => locale.value)

  function forget(): void {
    kept.value = null
    removeStored(key)
    clearShelves(name)
  }
  api.onUnauthorized = forget

  async function signIn(username: string, password: string): Promise<void> {
    forget()
    const answer = await api.post<SessionAnswer>('/v1/sessions', { username, password })
    kept.value = answer
    writeStored(key, answer)
  }

  async function signOut(): Promise<void> {
    try {
      await api.delete('/v1/sessions/current')
    } catch (error) {
      // Without a network the session ends here; on the server it ends by itself.
      if (error instanceof ApiError && error.status >= 500) throw error
    } finally {
      forget()
    }
  }

  const shelf = () => shelfOf(name, kept.value?.person.id ?? '')

  return { api, person: computed(() => kept.value?.person ?? null), token, shelf, signIn, signOut }
}
