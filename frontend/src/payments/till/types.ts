import type { Schema } from '@/kernel/wire'

export type TillMode = Schema<'TerminalMode'>

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

export type SaleBody = Omit<Schema<'PaymentBody'>, 'confirm_repeat' | 'code'> & {
  code: string
  confirm_repeat?: boolean
}

export type SaleAnswer = Schema<'PaymentAnswer'>

/** A payment as the till remembers it for its own list. */
export interface TakenPayment {
  id: string
  amount_fen: number
  happened_at: string
  voided: boolean
}
