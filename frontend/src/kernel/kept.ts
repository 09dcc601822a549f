import { inject, type InjectionKey } from 'vue'
import { Shelf } from './shelf'

export { clearShelves, Shelf, shelfOf, type Kept } from './shelf'

export const ShelfKey: InjectionKey<Shelf> = Symbol('shelf')

/** The shelf provided above this component; where there is none, one that keeps nothing. */
export function useShelf(): Shelf {
  return inject(ShelfKey, () => new Shelf(null), true)
}
