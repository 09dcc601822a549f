import { computed, shallowRef, type ComputedRef } from 'vue'
import { ApiClient } from '@/kernel/api'
import { ApiError } from '@/kernel/errors'
import { locale } from '@/kernel/locale'
import { clearShelves, sessionKey, shelfOf, type Shelf } from '@/kernel/shelf'
import { readStored, removeStored, writeStored } from '@/kernel/storage'
import type { Enrolment, SessionAnswer, SignedInPerson } from './types'

/** Who is signed in on one screen. Each screen (and each pane of the demo) has its own. */
export interface Session {
  api: ApiClient
  person: ComputedRef<SignedInPerson | null>
  token: () => string | null
  /** What this screen keeps of whoever is signed in; gone when they leave. */
  shelf: () => Shelf
  /** A sign-in half done: a code, or a second factor to be set up, is still to come. */
  pending: ComputedRef<SessionAnswer | null>
  signIn: (username: string, password: string) => Promise<void>
  /** What the campus's sign-in has left for this page. */
  fetchCampus: () => Promise<void>
  finishWithCode: (code: string) => Promise<void>
  beginEnrolment: () => Promise<Enrolment>
  /** The recovery codes, and what to call once they are in safe hands. */
  finishEnrolment: (code: string) => Promise<{ codes: string[]; enter: () => void }>
  startOver: () => void
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
  const key = sessionKey(name)
  const kept = shallowRef<SessionAnswer | null>(readStored<SessionAnswer>(key))
  const token = () => kept.value?.token ?? null
  const api = new ApiClient(token, () => locale.value)

  function forget(): void {
    kept.value = null
    removeStored(key)
    clearShelves(name)
  }
  api.onUnauthorized = forget

  const pending = shallowRef<SessionAnswer | null>(null)

  /** Half a sign-in stays in this tab's memory: it opens nothing, and a reload may begin anew. */
  function take(answer: SessionAnswer): void {
    if (answer.waits_for) {
      pending.value = answer
      return
    }
    pending.value = null
    kept.value = answer
    writeStored(key, answer)
  }

  async function signIn(username: string, password: string): Promise<void> {
    forget()
    take(await api.post<SessionAnswer>('/v1/sessions', { username, password }))
  }

  async function fetchCampus(): Promise<void> {
    forget()
    take(await api.post<SessionAnswer>('/v1/sessions/campus', {}, { withCookies: true }))
  }

  async function finishWithCode(code: string): Promise<void> {
    const body = { token: pending.value?.token ?? '', code }
    take(await api.post<SessionAnswer>('/v1/sessions/second_factor', body))
  }

  function beginEnrolment(): Promise<Enrolment> {
    return api.post<Enrolment>('/v1/sessions/enrolment', { token: pending.value?.token ?? '' })
  }

  async function finishEnrolment(code: string): Promise<{ codes: string[]; enter: () => void }> {
    const body = { token: pending.value?.token ?? '', code }
    const { recovery_codes: codes, ...answer } = await api.post<SessionAnswer & { recovery_codes: string[] }>(
      '/v1/sessions/enrolment/confirm',
      body,
    )
    return { codes, enter: () => take(answer) }
  }

  function startOver(): void {
    pending.value = null
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

  return {
    api,
    person: computed(() => kept.value?.person ?? null),
    token,
    shelf,
    pending: computed(() => pending.value),
    signIn,
    fetchCampus,
    finishWithCode,
    beginEnrolment,
    finishEnrolment,
    startOver,
    signOut,
  }
}
