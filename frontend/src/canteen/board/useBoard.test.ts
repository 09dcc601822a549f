import { describe, expect, it } from 'vitest'
import type { BoardSnapshot } from './types'
import { fold, lastMinutes, mergeFrame, minuteOf } from './useBoard'

const NOON = '2026-11-23T04:00:10.000Z'
const BOARD: BoardSnapshot = {
  canteen: 'can_1',
  name_zh: '一食堂',
  name_en: 'First',
  position: 5,
  business_date: '2026-11-23',
  takings_fen: 1800,
  count: 1,
  per_minute: [{ minute: '2026-11-23T03:59:00.000Z', count: 1, amount_fen: 1800 }],
  last_payments: [
    {
      payment: 'pay_1',
      payer_label: '张*',
      amount_fen: 1800,
      happened_at: NOON,
      status: 'succeeded',
      terminal: null,
      credential: 'pay_code',
    },
  ],
  terminals: [],
  now: { meal: 'lunch', until_at: null, next_meal: null, next_opening_at: null },
}

function fact(type: string, data: Record<string, unknown>) {
  return {
    channel: 'canteen:can_1',
    position: 6,
    type,
    data: { business_date: '2026-11-23', ...data },
    happened_at: NOON,
  }
}

describe('the board', () => {
  it('counts a payment at once', () => {
    const after = fold(BOARD, fact('payment.succeeded', { payment: 'pay_2', payer_label: '李*', amount_fen: 500 }))
    expect([after.takings_fen, after.count]).toEqual([2300, 2])
    expect(after.last_payments.map((each) => each.payment)).toEqual(['pay_2', 'pay_1'])
    expect(after.per_minute.at(-1)).toEqual({ minute: minuteOf(NOON), count: 1, amount_fen: 500 })
  })

  it('takes a void off and says so in the list', () => {
    const after = fold(BOARD, fact('payment.voided', { payment: 'pay_1', amount_fen: 1800 }))
    expect([after.takings_fen, after.count, after.last_payments[0]?.status]).toEqual([0, 0, 'voided'])
  })

  it('starts its sums afresh with a new business day', () => {
    const after = fold(
      BOARD,
      fact('payment.succeeded', { payment: 'pay_3', amount_fen: 700, business_date: '2026-11-24' }),
    )
    expect([after.business_date, after.takings_fen, after.count]).toEqual(['2026-11-24', 700, 1])
  })

  it('keeps the minutes that a frame does not carry', () => {
    const frame = {
      business_date: '2026-11-23',
      takings_fen: 9900,
      count: 4,
      per_minute: [{ minute: '2026-11-23T04:00:00Z', count: 3, amount_fen: 8100 }],
    }
    const after = mergeFrame(BOARD, frame)
    expect([after.takings_fen, after.count, after.per_minute.length]).toEqual([9900, 4, 2])
  })

  it('shows empty minutes as zero', () => {
    const minutes = lastMinutes(BOARD.per_minute, Date.parse(NOON), 3)
    expect(minutes.map((each) => each.count)).toEqual([0, 1, 0])
  })
})
