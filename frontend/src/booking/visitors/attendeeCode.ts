/** What is inside of an attendee's code: whose it is, which issue of it, and the signature over both. */
export interface AttendeeCode {
  text: string
  guest: string
  issue: number
}

/** Stands before what is signed, not in the code itself. */
const PREFIX = 'HZM1'
const KIND = 0x11
const SIGNED_BYTES = 19
const BYTES = SIGNED_BYTES + 64
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** An attendee's code somewhere in what a camera has read, such as the address of a guide. */
export function attendeeCodeIn(text: string): AttendeeCode | null {
  const found = /[A-Z2-7]{133}/.exec(text.toUpperCase())?.[0]
  const bytes = found ? fromBase32(found) : null
  if (!found || bytes?.length !== BYTES || bytes[0] !== KIND) return null
  const hex = Array.from(bytes.subarray(1, 17), (byte) => byte.toString(16).padStart(2, '0')).join('')
  return { text: found, guest: hex, issue: ((bytes[17] ?? 0) << 8) | (bytes[18] ?? 0) }
}

/**
 * Whether the house has signed it; null where this browser cannot tell, and the server must. Only for when there is no
 * network: with one the server is asked.
 */
export async function isSigned(code: AttendeeCode, publicKey: string): Promise<boolean | null> {
  const bytes = fromBase32(code.text)
  const raw = Uint8Array.from(atob(publicKey), (each) => each.charCodeAt(0))
  const signed = new Uint8Array([...new TextEncoder().encode(PREFIX), ...bytes.subarray(0, SIGNED_BYTES)])
  try {
    const key = await crypto.subtle.importKey('raw', raw, { name: 'Ed25519' }, false, ['verify'])
    return await crypto.subtle.verify({ name: 'Ed25519' }, key, bytes.slice(SIGNED_BYTES), signed)
  } catch {
    return null
  }
}

function fromBase32(text: string): Uint8Array<ArrayBuffer> {
  const bytes: number[] = []
  let bits = 0
  let held = 0
  for (const letter of text) {
    held = (held << 5) | ALPHABET.indexOf(letter)
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes.push((held >> bits) & 0xff)
    held &= (1 << bits) - 1
  }
  return new Uint8Array(bytes)
}
