import type { Schema } from '@/kernel/wire'

export type PaymentAnswer = Schema<'PaymentAnswer'>
export type ScannedPlace = Schema<'ScannedPlaceView'>
export type MyCard = Schema<'MyCardView'>
export type PlaceCode = Schema<'PlaceCodeView'>
export type Account = Schema<'AccountView'>
export type FoundCard = Schema<'FoundCardView'>
export type Menu = Schema<'MenuView'>
export type MenuItem = Menu['items'][number]

/** What the payer asks for: an amount, dishes, or (neither) this meal at its price. */
export interface ScanSale {
  amount_fen?: number
  items?: { dish_id: string; quantity: number }[]
}
