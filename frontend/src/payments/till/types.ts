import type { Leg, TraceStep } from '../types'

export type TillMode = 'keyed' | 'fixed' | 'menu' | 'count'

/** A dish as the till sells it now. */
export interface TillDish {
  id: string
  name: string
  price_fen: number
  available: boolean
}

/** What `GET /v1/terminals/me` says, as far as a till needs it. */
export interface TillConfiguration {
  id: string
  name: string
  canteen: { id: string; name: string }
  modes: TillMode[]
  nextSeq: number
  seqEpoch: number
  meal: string | null
  price_fen: number | null
  dishes: TillDish[]
}

/** One sale on its way: written down before it is sent, and only crossed out by an answer. */
export interface PendingSale {
  key: string
  seq: number
  body: SaleBody
}

export interface SaleBody {
  code: string
  seq: number
  amount_fen?: number
  items?: { dish_id: string; quantity: number }[]
  confirm_repeat?: boolean
}

export interface SaleAnswer {
  id: string
  status: string
  amount_fen: number
  legs: Leg[]
  trace: TraceStep[]
  happened_at: string
  purses?: { cash_fen: number; subsidy_fen: number; official_fen: number }
}

/** A payment as the till remembers it for its own list. */
export interface TakenPayment {
  id: string
  amount_fen: number
  happened_at: string
  voided: boolean
  wall: boolean
}
