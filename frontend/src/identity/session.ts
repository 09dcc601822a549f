import { computed, shallowRef, type ComputedRef } from 'vue'
import { ApiClient } from '@/kernel/api'
import { ApiError } from '@/kernel/errors'
import { locale } from '@/kernel/locale'
import { readStored, removeStored, writeStored } from '@/kernel/storage'
import type { SessionAnswer, SignedInPerson } from './types'

/** Who is signed in on one screen. Each screen (and each pane of the demo) has its own. */
export interface Session {
  api: ApiClient
  person: ComputedRef<SignedInPerson | null>
  token: () => string | null
  signIn: (username: string, password: string) => Promise<void>
  signOut: () => Promise<void>
}

const made = new Map<string, Session>()

/** The session kept under this name; the same name always gives the same session. */
export function useSession(name: string): Session {
  let session = made.get(name)
  if (!session) {
    session = createSession(`guanjia.session.${name}`)
    made.set(name, session)
  }
  return session
}

function createSession(key: string): Session {
  const kept = shallowRef<SessionAnswer | null>(readStored<SessionAnswer>(key))
  const token = () => kept.value?.token ?? null
  const api = new ApiClient(token, () => locale.value)

  function forget(): void {
    kept.value = null
    removeStored(key)
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

  return { api, person: computed(() => kept.value?.person ?? null), token, signIn, signOut }
}
