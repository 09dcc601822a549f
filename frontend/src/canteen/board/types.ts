export interface MinuteBin {
  minute: string
  count: number
  amount_fen: number
}

export interface BoardPayment {
  payment: string
  payer_label: string
  amount_fen: number
  happened_at: string
  status: string
}

export interface BoardTerminal {
  id: string
  name: string
  status: string
  online: boolean
  last_seen_at: string | null
}

/** `GET /v1/canteens/{id}/board`: true at `position`; what follows comes over the line. */
export interface BoardSnapshot {
  canteen: string
  name_zh: string
  name_en: string
  position: number
  business_date: string
  takings_fen: number
  count: number
  per_minute: MinuteBin[]
  last_payments: BoardPayment[]
  terminals: BoardTerminal[]
}

/** The latest sums, at most four times a second; only the minutes that may still have changed. */
export type BoardFrame = Pick<BoardSnapshot, 'business_date' | 'takings_fen' | 'count' | 'per_minute'>
