import { beforeEach, describe, expect, it, vi } from 'vitest'
import { NotStored, TillJournal } from './journal'

/** What a browser keeps, for a test without one. */
function fakeStorage(): Storage {
  const kept = new Map<string, string>()
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
    clear: () => kept.clear(),
    key: () => null,
    length: 0,
  }
}

describe('TillJournal', () => {
  beforeEach(() => vi.stubGlobal('localStorage', fakeStorage()))

  it('keeps a sale with its number and key across a reload, until an answer ends it', () => {
    const before = new TillJournal('ter_1')
    before.agree(3, 41)
    const sale = before.begin({ code: '70', amount_fen: 1800 })
    expect(sale.seq).toBe(41)

    const after = new TillJournal('ter_1')
    expect(after.pending).toEqual(sale)
    after.finish()
    expect(new TillJournal('ter_1').pending).toBeNull()
    expect(after.begin({ code: '70' }).seq).toBe(42)
  })

  it('never falls back to a number it has used, and starts afresh in a new epoch', () => {
    const journal = new TillJournal('ter_1')
    journal.agree(1, 10)
    journal.begin({ code: '70' })
    journal.agree(1, 5)
    expect(journal.begin({ code: '70' }).seq).toBe(11)
    journal.agree(2, 1)
    expect(journal.begin({ code: '70' }).seq).toBe(1)
  })

  it('confirms a repeat under the same number and key', () => {
    const journal = new TillJournal('ter_1')
    journal.agree(1, 1)
    const sale = journal.begin({ code: '70', amount_fen: 500 })
    const confirmed = journal.confirmRepeat()
    expect(confirmed).toEqual({ ...sale, body: { ...sale.body, confirm_repeat: true } })
  })

  it('learns what was paid while it was away, each once and in order', () => {
    const journal = new TillJournal('ter_1')
    const at = (minute: number) => `2026-11-23T04:0${minute}:00.000Z`
    const paid = (id: string, minute: number) => ({ id, amount_fen: 100, happened_at: at(minute), voided: false })
    journal.remember(paid('pay_1', 1))
    journal.remember(paid('pay_3', 3))
    journal.catchUp([
      { ...paid('pay_2', 2), by_wall_code: true },
      { ...paid('pay_1', 1), voided: true },
    ])

    const taken = new TillJournal('ter_1').taken
    expect(taken.map((payment) => payment.id)).toEqual(['pay_3', 'pay_2', 'pay_1'])
    expect(taken.map((payment) => payment.voided)).toEqual([false, false, true])
  })

  it('sends nothing that it could not write down', () => {
    const journal = new TillJournal('ter_1')
    vi.stubGlobal('localStorage', {
      ...fakeStorage(),
      setItem: () => {
        throw new Error('full')
      },
    })
    expect(() => journal.begin({ code: '70' })).toThrow(NotStored)
  })
})
