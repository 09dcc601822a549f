import { describe, expect, it } from 'vitest'
import { readEntry } from './wedge'

const SHORT = `70${'1'.repeat(18)}`
const LONG = `70${'2'.repeat(218)}`

describe('readEntry', () => {
  it('tells a code from an amount', () => {
    expect(readEntry(SHORT)).toEqual({ code: SHORT, typed: '' })
    expect(readEntry(LONG)).toEqual({ code: LONG, typed: '' })
    expect(readEntry('18.5')).toEqual({ code: null, typed: '18.5' })
  })

  it('takes the digits before a scan as the amount', () => {
    expect(readEntry(`18${LONG}`)).toEqual({ code: LONG, typed: '18' })
    expect(readEntry(`7.50${SHORT}`)).toEqual({ code: SHORT, typed: '7.50' })
  })

  it('passes a code of another house on, so that the server can say whose it is', () => {
    expect(readEntry('28'.padEnd(20, '0')).code).toHaveLength(20)
  })

  it('never takes half a code for an amount', () => {
    expect(readEntry(SHORT.slice(0, 15))).toEqual({ code: '', typed: '' })
    expect(readEntry(LONG.slice(0, 200))).toEqual({ code: '', typed: '' })
  })
})
