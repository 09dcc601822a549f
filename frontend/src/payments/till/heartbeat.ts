import { onScopeDispose } from 'vue'
import { ApiError, NetworkError } from '@/kernel/errors'
import type { TerminalSession } from './terminalSession'

const EVERY_MS = 60_000

interface Answer {
  rotate_token: boolean
}

/** Says once a minute that the till is there; changes its token where it is asked to. */
export function useHeartbeat(session: TerminalSession): void {
  const timer = setInterval(() => void beat(session), EVERY_MS)
  onScopeDispose(() => clearInterval(timer))
  void beat(session)
}

async function beat(session: TerminalSession): Promise<void> {
  try {
    const answer = await session.api.post<Answer>('/v1/terminals/me/heartbeat', {})
    if (answer.rotate_token) await rotate(session)
  } catch (error) {
    // The line's own state says that the network is gone; the next beat tries again.
    if (!(error instanceof NetworkError) && !(error instanceof ApiError)) throw error
  }
}

/** The old token counts until the new one is first used, so an answer lost on the way costs nothing. */
async function rotate(session: TerminalSession): Promise<void> {
  session.renew((await session.api.post<{ token: string }>('/v1/terminals/me/token')).token)
}
