import { readStored } from '@/kernel/storage'
import type { PayCode } from './types'

/**
 * The first code is asked for before the page is even drawn: on a slow line the question travels while the phone is busy
 * with everything else. Only where the page is the phone's, and somebody is signed in there.
 */
interface Asked {
  token: string
  answer: Promise<PayCode | null>
}

let asked: Asked | null = null

if (location.pathname === '/') {
  const token = readStored<{ token: string }>('guanjia.session.phone')?.token
  // Whatever goes wrong is asked again in the ordinary way, which tells what it was.
  if (token) asked = { token, answer: ask(token).catch(() => null) }
}

async function ask(token: string): Promise<PayCode> {
  const headers = { Accept: 'application/json', 'Content-Type': 'application/json', Authorization: `Bearer ${token}` }
  const response = await fetch('/v1/me/pay_codes', { method: 'POST', headers, body: '{}', credentials: 'omit' })
  if (!response.ok) throw new Error(`no code: ${response.status}`)
  return (await response.json()) as PayCode
}

/** The code that was asked for, once, and only for the same person; null where it has to be asked for now. */
export function codeAskedEarly(token: string | null): Promise<PayCode | null> | null {
  const mine = asked
  asked = null
  if (!mine || mine.token !== token) return null
  return mine.answer
}
