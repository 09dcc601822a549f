import type { PayCode } from './types'

/** A code and when it arrived, by this device's clock. */
export interface Arrived {
  code: PayCode
  at: number
}

/** What early/start.ts has begun before the page is there. */
export interface Early {
  token: string
  askedAt: number
  answer: Promise<Arrived | null>
  /** The server has said no: nothing that is kept pays. */
  refused?: boolean
  /** What is held out meanwhile. */
  shown: 'code' | 'voucher' | null
  /** Something is painted, or nothing will be for a while: the page may take the processor now. */
  settled: Promise<unknown>
}

declare global {
  interface Window {
    /** The first code, asked for before anything else: on a slow line the question travels meanwhile. */
    earlyCode?: Early
    /** Takes the early card off the screen. */
    leaveEarly?: () => void
  }
}

/** The code that was asked for early, once, and only for the same person; null where it has to be asked for now. */
export async function codeAskedEarly(token: string | null): Promise<Arrived | null> {
  const asked = window.earlyCode
  delete window.earlyCode
  // Whatever went wrong is asked again in the ordinary way, which tells what it was.
  return asked && asked.token === token ? asked.answer : null
}

/** Since when somebody has been waiting for the first code, and whether a voucher has been held out for that reason. */
export function earlyWait(): { since: number; heldVoucher: boolean } {
  const early = window.earlyCode
  return { since: early?.askedAt ?? Date.now(), heldVoucher: early?.shown === 'voucher' }
}
