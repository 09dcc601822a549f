import { readStored, removeStored, writeStored } from './storage'

/** Something that was true at a moment of this device's clock. */
export interface Kept<T> {
  at: number
  value: T
}

/**
 * What a device keeps of one signed-in person, to show it without a network: last known answers, vouchers. Never the
 * truth: whatever the server says replaces it, and signing out clears it away.
 */
export class Shelf {
  constructor(private readonly prefix: string | null) {}

  read<T>(name: string): Kept<T> | null {
    return this.prefix === null ? null : readStored<Kept<T>>(this.prefix + name)
  }

  write(name: string, value: unknown, at = Date.now()): void {
    if (this.prefix !== null) writeStored(this.prefix + name, { at, value })
  }

  remove(name: string): void {
    if (this.prefix !== null) removeStored(this.prefix + name)
  }
}

const ROOT = 'guanjia.kept.'

/** The shelf of one person on one screen. */
export function shelfOf(session: string, person: string): Shelf {
  return new Shelf(`${ROOT}${session}.${person}.`)
}

/** Forgets what any person has left on one screen. */
export function clearShelves(session: string): void {
  const mine = `${ROOT}${session}.`
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith(mine)) removeStored(key)
  } catch {
    // Nothing can be kept here, so nothing is.
  }
}

/** Where one screen keeps who is signed in on it. */
export function sessionKey(session: string): string {
  return `guanjia.session.${session}`
}
