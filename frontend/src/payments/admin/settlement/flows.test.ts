import { describe, expect, it } from 'vitest'
import { drawFlows } from './flows'
import type { Owed } from './types'

const place = (id: string) => ({ id, name_zh: id, name_en: id })
const owed = (debtor: string, creditor: string, amount_fen: number): Owed => ({
  debtor: place(debtor),
  creditor: place(creditor),
  amount_fen,
})

describe('the picture of who owes whom', () => {
  it('stacks each side by what it pays or receives, the largest first', () => {
    const picture = drawFlows([owed('H', 'Q', 100), owed('Z', 'Q', 300), owed('H', 'Z', 50)], 450, 400)
    expect(picture.debtors.map((block) => [block.place.id, block.amountFen])).toEqual([
      ['Z', 300],
      ['H', 150],
    ])
    expect(picture.creditors.map((block) => block.place.id)).toEqual(['Q', 'Z'])
    expect(picture.bands).toHaveLength(3)
  })

  it('keeps room for the words beside the blocks, on a phone too', () => {
    for (const width of [300, 800]) {
      const picture = drawFlows([owed('H', 'Q', 100)], 100, width)
      const [begin] = /M(\d+)/.exec(picture.bands[0]?.path ?? '')?.slice(1) ?? []
      expect(Number(begin)).toBeGreaterThan(picture.label)
      expect(picture.label * 2).toBeLessThan(width)
    }
  })

  it('draws what is left after netting on the scale of what was owed before', () => {
    const before = drawFlows([owed('H', 'Q', 1000), owed('Q', 'H', 900)], 1900, 400)
    const after = drawFlows([owed('H', 'Q', 100)], 1900, 400)
    expect(after.debtors[0]?.height).toBeLessThan((before.debtors[0]?.height ?? 0) / 5)
  })

  it('keeps the smallest sum visible and overlaps no two blocks', () => {
    const picture = drawFlows([owed('H', 'Q', 1), owed('Z', 'Q', 1_000_000)], 1_000_001, 400)
    const [first, second] = picture.debtors
    expect(second?.height).toBeGreaterThan(2)
    expect((first?.y ?? 0) + (first?.height ?? 0)).toBeLessThan(second?.y ?? 0)
    expect(picture.height).toBeGreaterThan((second?.y ?? 0) + (second?.height ?? 0))
  })
})
