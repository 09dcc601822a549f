import type { Schema } from '@/kernel/wire'
import type { LineKind } from '../meetings/types'

export type GuidePlace = Schema<'LinePlaceView'>
export type GuideLine = Omit<Schema<'GuideLine'>, 'kind'> & { kind: LineKind }
export type Guide = Omit<Schema<'Guide'>, 'lines'> & { lines: GuideLine[] }
export type Way = Schema<'GuideWay'>
export type WayLeg = Schema<'GuideLeg'>
export type Door = Schema<'DoorView'>
export type DoorMeeting = Schema<'DoorEntry'>
export type ScanPack = Omit<Schema<'ScanPack'>, 'lines'> & {
  lines: (Omit<Schema<'ScanLine'>, 'kind'> & { kind: LineKind })[]
}
export type ScanResult = Schema<'ScanResult'>
