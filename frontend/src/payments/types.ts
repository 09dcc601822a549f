import type { Schema } from '@/kernel/wire'

export type Leg = Schema<'LegView'>
export type Lot = Schema<'LotView'>
export type MySubsidies = Schema<'MySubsidies'>
export type Purses = Schema<'PursesView'>
export type PayCode = Schema<'PayCodeView'>
export type Voucher = Schema<'VoucherView'>
export type VoucherStatus = Schema<'VoucherStatusView'>

/** One step of "why this price", in both languages; further facts may stand beside them. */
export interface TraceStep {
  code: string
  zh: string
  en: string
}

export type Payment = Omit<Schema<'PaymentView'>, 'trace'> & { trace: TraceStep[] }
