import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import { ApiClient } from '@/kernel/api'
import { locale } from '@/kernel/locale'
import { readStored, removeStored, writeStored } from '@/kernel/storage'

/** The pairing of one till: its token stays on this device until it is unpaired or revoked. */
export interface TerminalSession {
  api: ApiClient
  token: ShallowRef<string | null>
  /** Grows with each pairing, so that a screen starts afresh for a new one but not for a renewed token. */
  pairing: Ref<number>
  pair: (pairingCode: string) => Promise<void>
  adopt: (token: string) => void
  renew: (token: string) => void
  forget: () => void
}

const made = new Map<string, TerminalSession>()

export function useTerminalSession(name: string): TerminalSession {
  let session = made.get(name)
  if (!session) {
    session = createTerminalSession(`guanjia.terminal.${name}`)
    made.set(name, session)
  }
  return session
}

function createTerminalSession(key: string): TerminalSession {
  const token = shallowRef(readStored<string>(key))
  const pairing = ref(0)
  const api = new ApiClient(
    () => token.value,
    () => locale.value,
  )

  function forget(): void {
    token.value = null
    removeStored(key)
  }

  function renew(value: string): void {
    token.value = value
    writeStored(key, value)
  }

  function adopt(value: string): void {
    renew(value)
    pairing.value += 1
  }

  async function pair(pairingCode: string): Promise<void> {
    const answer = await api.post<{ token: string }>('/v1/terminals/enrol', { pairing_code: pairingCode })
    adopt(answer.token)
  }

  api.onUnauthorized = forget
  return { api, token, pairing, pair, adopt, renew, forget }
}
