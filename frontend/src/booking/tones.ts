type Tone = 'ok' | 'warn' | 'bad' | 'idle'

const TONES: Record<string, Tone> = {
  held: 'warn',
  pending_approval: 'warn',
  offered: 'warn',
  waitlisted: 'warn',
  confirmed: 'ok',
  checked_in: 'ok',
  in_use: 'ok',
  in_progress: 'ok',
  rejected: 'bad',
  superseded: 'bad',
  no_show: 'bad',
  lost: 'bad',
}

/** How a state of a booking or a meeting looks; its word stands beside it. */
export function toneOf(state: string): Tone {
  return TONES[state] ?? 'idle'
}
