import { describe, expect, it } from 'vitest'
import { waysToPay } from './waysToPay'

describe('how an amount is formed at a wall code', () => {
  it.each([
    [['fixed'], ['price']],
    [
      ['count', 'keyed'],
      ['price', 'key'],
    ],
    [
      ['keyed', 'menu'],
      ['menu', 'key'],
    ],
    [['menu'], ['menu']],
  ])('is as the tills are set: %s', (modes, ways) => {
    expect(waysToPay({ modes, price_fen: 1800 })).toEqual(ways)
  })

  it('is never a price that there is not', () => {
    expect(waysToPay({ modes: ['fixed', 'keyed'], price_fen: null })).toEqual(['key'])
  })
})
