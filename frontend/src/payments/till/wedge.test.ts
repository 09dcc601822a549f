import { describe, expect, it } from 'vitest'
import { readEntry } from './wedge'

const SHORT = `70${'1'.repeat(18)}`
const LONG = `70${'2'.repeat(218)}`

describe('readEntry', () => {
  it('tells a code from an amount', () => {
    expect(readEntry(SHORT)).toEqual({ code: SHORT, typed: '', kind: 'pay_code' })
    expect(readEntry(LONG)).toEqual({ code: LONG, typed: '', kind: 'pay_code' })
    expect(readEntry('18.5')).toEqual({ code: null, typed: '18.5' })
  })

  it('takes the digits before a scan as the amount', () => {
    expect(readEntry(`18${LONG}`)).toEqual({ code: LONG, typed: '18', kind: 'pay_code' })
    expect(readEntry(`7.50${SHORT}`)).toEqual({ code: SHORT, typed: '7.50', kind: 'pay_code' })
  })

  it('passes a code of another house on, so that the server can say whose it is', () => {
    expect(readEntry('13'.padEnd(20, '0'))).toMatchObject({ kind: 'pay_code' })
  })

  it('tells a card and a guest from a code and an amount', () => {
    expect(readEntry('0004182736')).toEqual({ code: '0004182736', typed: '', kind: 'card' })
    expect(readEntry('6217000012345678').kind).toBe('card')
    expect(readEntry('10000.00')).toEqual({ code: null, typed: '10000.00' })
    for (const prefix of ['25', '28', '30']) expect(readEntry(prefix.padEnd(18, '1')).kind).toBe('guest')
    expect(readEntry('31'.padEnd(18, '1'))).toEqual({ code: '', typed: '' })
  })

  it('never takes half a code for an amount', () => {
    expect(readEntry(SHORT.slice(0, 15))).toEqual({ code: '', typed: '' })
    expect(readEntry(LONG.slice(0, 200))).toEqual({ code: '', typed: '' })
  })
})
