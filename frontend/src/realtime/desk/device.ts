import { newIdempotencyKey } from '@/kernel/api'

const KEY = 'guanjia.desk.device'

/** This page's own name in receipts and presence: one for each tab, kept over a reload. */
export function deviceName(): string {
  try {
    const known = sessionStorage.getItem(KEY)
    if (known) return known
    const made = newIdempotencyKey()
    sessionStorage.setItem(KEY, made)
    return made
  } catch {
    return newIdempotencyKey()
  }
}
