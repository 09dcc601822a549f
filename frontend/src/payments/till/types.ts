import type { Schema } from '@/kernel/wire'

export type TillMode = Schema<'TerminalMode'>

/** A dish as the till sells it now. */
export interface TillDish {
  id: string
  menu: string
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
  /** What somebody without an account pays for this meal. */
  guest_price_fen: number | null
  dishes: TillDish[]
  shift: Schema<'ShiftLine'> | null
  /** Whether a printer is set for this till; without one the browser prints. */
  printer: boolean
}

/** Who signs at the till; without a name it is the shift's cashier. */
export interface Signature {
  pin: string
  person?: string
}

/** One sale on its way: written down before it is sent, and only crossed out by an answer. */
export interface PendingSale {
  key: string
  seq: number
  body: SaleBody | GuestBody
  /** Where it is sent, if it is no payment of the one card. */
  path?: typeof GUESTS
}

export const GUESTS = '/v1/guest_payments'
export type GuestBody = Schema<'GuestPaymentRequest'>
export type GuestAnswer = Schema<'GuestPaymentView'>

export type SaleBody = Omit<Schema<'PaymentBody'>, 'confirm_repeat' | 'code' | 'credential'> & {
  code?: string
  credential?: Schema<'CredentialBody'>
  confirm_repeat?: boolean
}

export type SaleAnswer = Schema<'PaymentAnswer'>

/** A payment as the till remembers it for its own list. */
export interface TakenPayment {
  id: string
  amount_fen: number
  happened_at: string
  voided: boolean
  /** Paid from the phone, at the printed code. */
  by_wall_code?: boolean
}
