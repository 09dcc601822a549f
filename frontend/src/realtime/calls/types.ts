import type { Schema } from '@/kernel/wire'

export type Call = Schema<'CallView'>
export type CallKind = Call['kind']
export type CallTrigger = Call['allowed'][number]
export type CallMessage = Schema<'MessageView'>
export type AttachedFile = Schema<'AttachedFile'>
export type TreePlace = Schema<'TreePlaceView'>
export type FoundPlace = Schema<'ScannedPlace'>

/** A place as a caller chose it: what the server is told, and what stands on the screen. */
export interface ChosenPlace {
  id: string
  name_zh: string
  name_en: string
}
