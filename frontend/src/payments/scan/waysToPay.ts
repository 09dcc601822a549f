import type { ScannedPlace } from './types'

export type WayToPay = 'price' | 'menu' | 'key'

/** How an amount is formed at a place, as its tills are set: the meal's price, the menu, or typed in. The first is offered. */
export function waysToPay(place: Pick<ScannedPlace, 'modes' | 'price_fen'>): WayToPay[] {
  const ways: WayToPay[] = []
  if (place.price_fen !== null && place.modes.some((mode) => mode === 'fixed' || mode === 'count')) ways.push('price')
  if (place.modes.includes('menu')) ways.push('menu')
  if (place.modes.includes('keyed')) ways.push('key')
  return ways
}
