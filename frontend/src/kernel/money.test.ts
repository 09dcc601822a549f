import { describe, expect, it } from 'vitest'
import { formatYuan, parseYuan, spokenYuan, spokenYuanInEnglish } from './money'

describe('formatYuan', () => {
  it('always writes two decimals and its sign', () => {
    expect(formatYuan(1800)).toBe('¥18.00')
    expect(formatYuan(-5)).toBe('−¥0.05')
    expect(formatYuan(123456789)).toBe('¥1,234,567.89')
  })
})

describe('parseYuan', () => {
  it('reads what a cashier types, to the fen', () => {
    expect(parseYuan('18')).toBe(1800)
    expect(parseYuan('18.5')).toBe(1850)
    expect(parseYuan('0.29')).toBe(29)
    expect(parseYuan('1.10')).toBe(110)
  })

  it('takes nothing that is not an amount', () => {
    for (const text of ['', '.', '1.234', '-1', '1e3', '十八']) expect(parseYuan(text)).toBeNull()
  })
})

describe('spokenYuan', () => {
  it('says amounts as people do', () => {
    expect(spokenYuan(1800)).toBe('十八元')
    expect(spokenYuan(1850)).toBe('十八元五角')
    expect(spokenYuan(205)).toBe('二元零五分')
    expect(spokenYuan(10_800)).toBe('一百零八元')
    expect(spokenYuan(101_000)).toBe('一千零一十元')
    expect(spokenYuan(1_000_000)).toBe('一万元')
    expect(spokenYuan(60)).toBe('六角')
  })
})

describe('spokenYuanInEnglish', () => {
  it('says amounts in words', () => {
    expect(spokenYuanInEnglish(1800)).toBe('eighteen yuan')
    expect(spokenYuanInEnglish(1850)).toBe('eighteen yuan fifty')
    expect(spokenYuanInEnglish(205)).toBe('two yuan oh five')
    expect(spokenYuanInEnglish(29)).toBe('twenty-nine fen')
    expect(spokenYuanInEnglish(12_100)).toBe('one hundred and twenty-one yuan')
    expect(spokenYuanInEnglish(1_000_000)).toBe('ten thousand yuan')
    expect(spokenYuanInEnglish(123_456)).toBe('one thousand two hundred and thirty-four yuan fifty-six')
  })
})
