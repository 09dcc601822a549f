import type { PayCode } from './types'

declare global {
  interface Window {
    /** The first code, asked for by index.html before anything else: on a slow line the question travels meanwhile. */
    earlyCode?: { token: string; answer: Promise<PayCode | null> }
  }
}

/** The code that was asked for early, once, and only for the same person; null where it has to be asked for now. */
export async function codeAskedEarly(token: string | null): Promise<PayCode | null> {
  const asked = window.earlyCode
  delete window.earlyCode
  // Whatever went wrong is asked again in the ordinary way, which tells what it was.
  return asked && asked.token === token ? asked.answer : null
}
