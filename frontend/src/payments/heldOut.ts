import type { Kept, Shelf } from '@/kernel/shelf'
import type { PayCode, Voucher } from './types'

/*
 * What a phone may hold out to a till, and for how long: asked by the card of the page (usePayCode, useVouchers) and by
 * the one that stands there before the page does (early/). No framework, so that both can.
 */

/** A code lives 60 s and is replaced after 45; the one before it stays good to its own end. */
export const REFRESH_AFTER_MS = 45_000
export const LIFE_MS = 60_000
/** How long somebody in a queue waits for a fresh code before the kept one is held out. */
export const PATIENCE_MS = 1_200

const CODE = 'code'
const VOUCHER = 'voucher'

/** A voucher as this device keeps it; its end in this device's own time, which may be minutes off the server's. */
export interface KeptVoucher extends Voucher {
  endsAt: number
}

/** The last code, where it still pays. */
export function keptCode(shelf: Shelf): Kept<PayCode> | null {
  const kept = shelf.read<PayCode>(CODE)
  const age = kept ? Date.now() - kept.at : LIFE_MS
  return age >= 0 && age < LIFE_MS ? kept : null
}

/** Counted by this device from the moment of arrival: its clock may be minutes off the server's. */
export function keepCode(shelf: Shelf, code: PayCode, arrivedAt: number): void {
  shelf.write(CODE, code, arrivedAt)
}

export function forgetCode(shelf: Shelf): void {
  shelf.remove(CODE)
}

export function keptVoucher(shelf: Shelf): KeptVoucher | null {
  return shelf.read<KeptVoucher>(VOUCHER)?.value ?? null
}

/** The voucher, where it still pays at that moment. */
export function usableVoucher(voucher: KeptVoucher | null, at: number): KeptVoucher | null {
  return voucher && voucher.endsAt > at ? voucher : null
}

export function keepVoucher(shelf: Shelf, voucher: Voucher): KeptVoucher {
  const life = Date.parse(voucher.expires_at) - Date.parse(voucher.issued_at)
  const kept = { ...voucher, endsAt: Date.now() + life }
  shelf.write(VOUCHER, kept)
  return kept
}

export function forgetVoucher(shelf: Shelf): void {
  shelf.remove(VOUCHER)
}

export const refreshInS = (ageMs: number): number => Math.max(0, Math.ceil((REFRESH_AFTER_MS - ageMs) / 1000))
export const usableForS = (ageMs: number): number => Math.max(0, Math.ceil((LIFE_MS - ageMs) / 1000))
/** What is left of the ring. */
export const shareLeft = (ageMs: number): number => Math.max(0, 1 - ageMs / REFRESH_AFTER_MS)
