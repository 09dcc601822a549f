import type { Schema } from '@/kernel/wire'

export type PaymentAnswer = Schema<'PaymentAnswer'>
export type ScannedPlace = Schema<'ScannedPlaceView'>
export type MyCard = Schema<'MyCardView'>
export type PlaceCode = Schema<'PlaceCodeView'>
export type Account = Schema<'AccountView'>
export type FoundCard = Schema<'FoundCardView'>
