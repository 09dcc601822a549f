/** How a problem looks in a list: what is open wants somebody. */
export function toneOfProblem(state: string): 'ok' | 'warn' | 'idle' {
  if (state === 'open') return 'warn'
  return state === 'identified' ? 'ok' : 'idle'
}
