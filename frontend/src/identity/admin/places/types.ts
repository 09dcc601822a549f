import type { Schema } from '@/kernel/wire'

export type TreePlace = Schema<'TreePlaceView'>
export type PlaceKind = TreePlace['kind']

/** From wide to narrow; a place stands below wider ones only. */
export const WIDTH: Record<PlaceKind, number> = { campus: 4, building: 3, storey: 2, room: 1, area: 1 }
export const KINDS = Object.keys(WIDTH) as PlaceKind[]

/** What may stand below a place; everything where there is none. */
export function kindsBelow(parent: PlaceKind | null): PlaceKind[] {
  return KINDS.filter((kind) => parent === null || WIDTH[kind] < WIDTH[parent])
}
