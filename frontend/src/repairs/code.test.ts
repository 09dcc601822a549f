import { describe, expect, it } from 'vitest'
import { labelIn, ticketIn } from './code'

const LETTERS = 'A2'.repeat(22) + 'B'

describe('a label', () => {
  it.each([LETTERS, `https://example.cn/at/${LETTERS}`, `http://127.0.0.1:8000/repair/${LETTERS}?from=wall`])(
    'is found in %s',
    (text) => expect(labelIn(text)).toBe(LETTERS),
  )
  it.each(['', 'https://example.cn/pay/HZM1', LETTERS + 'C', `https://example.cn/door/${LETTERS}`])(
    'is not in %s',
    (text) => expect(labelIn(text)).toBeNull(),
  )
})

describe('a follow-up code', () => {
  it('is taken however it was typed', () => {
    expect(ticketIn(' abcd efgh-jk23 4567 ')).toBe('ABCD-EFGH-JK23-4567')
  })
  it('is none when letters are missing', () => expect(ticketIn('ABCD-EFGH-JK23')).toBeNull())
})
