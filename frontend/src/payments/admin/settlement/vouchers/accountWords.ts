import { nameIn } from '@/kernel/names'
import type { Mapping, Place } from '../types'

/** The account of one owner is `kind:<32 digits>`, all of a kind are `kind`. */
export function kindOf(account: string): string {
  return account.split(':')[0] ?? account
}

/** An account as people read it: its kind, and whose it is as far as anybody here knows. */
export function wordsOf(account: string, known: Mapping['known'], places: readonly Place[], locale: string): string {
  const [kind = account, owner] = account.split(':')
  const found = known.find((each) => each.account === kind)
  const first = found ? nameIn(found, locale) : kind
  if (!owner) return first
  const place = places.find((each) => each.id.slice(4) === owner)
  return `${first} · ${place ? nameIn(place, locale) : owner.slice(-6)}`
}

/** What is missing, by kind: one entry for all of a kind fills the holes of each of its owners. */
export function missingKinds(holes: readonly string[], mapped: readonly string[]): string[] {
  return [...new Set(holes.map(kindOf))].filter((kind) => !mapped.includes(kind))
}
