/** The payment shapes that the screens read; written as contract.md states them. */
export type Purse = 'cash' | 'subsidy' | 'official'

export interface Leg {
  purse: Purse
  lot?: string | null
  amount_fen: number
}

/** One step of "why this price", in both languages. */
export interface TraceStep {
  code: string
  zh: string
  en: string
}

export interface Payment {
  id: string
  status: 'succeeded' | 'partially_refunded' | 'refunded' | 'voided'
  amount_fen: number
  refunded_fen: number
  legs: Leg[]
  trace: TraceStep[]
  canteen: string
  canteen_name: string
  terminal: string | null
  meal: string | null
  business_date: string
  happened_at: string
}

export interface Lot {
  id: string
  amount_fen: number
  expires_at: string
  /** The last business date on which it can be spent. */
  expires_on: string
}

export interface Purses {
  cash_fen: number
  subsidy_fen: number
  official_fen: number
  lots: Lot[]
  state: string
}

export interface PayCode {
  id: string
  code: string
  offline_block: string
  text: string
  expires_at: string
}
