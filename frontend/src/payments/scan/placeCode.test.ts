import { describe, expect, it } from 'vitest'
import { chooseText, placeCodeIn } from './placeCode'

const CODE = `711${'4'.repeat(67)}`

describe('a wall code in what was read', () => {
  it.each([
    CODE,
    ` ${CODE}\n`,
    `https://pay.example.gov.cn/pay/${CODE}`,
    `http://10.0.0.2:8000/pay/${CODE}?from=wall`,
    `https://host/some/path/pay/${CODE}/`,
  ])('is found in %s', (text) => {
    expect(placeCodeIn(text)).toBe(CODE)
  })

  it.each([
    CODE.slice(1),
    `${CODE}1`,
    `70${CODE.slice(2)}`,
    `https://host/${CODE}`,
    'https://qr.alipay.com/fkx0123',
    '7'.repeat(20),
    '',
  ])('is not seen in %s', (text) => {
    expect(placeCodeIn(text)).toBeNull()
  })

  it('is chosen before whatever else is in view, which is told of all the same', () => {
    expect(chooseText(['https://qr.alipay.com/fkx', CODE])).toBe(CODE)
    expect(chooseText(['https://qr.alipay.com/fkx'])).toBe('https://qr.alipay.com/fkx')
    expect(chooseText([])).toBeNull()
  })
})
