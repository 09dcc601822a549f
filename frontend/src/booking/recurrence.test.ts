import { describe, expect, it } from 'vitest'
import { once, ruleOf } from './recurrence'

describe('the rule of a series', () => {
  it('is none where something happens once', () => {
    expect(ruleOf(once('2026-11-24'))).toBeNull()
  })

  it('names the weekdays in their order, and how often', () => {
    const repeat = { ...once('2026-11-24'), every: 'week' as const, weekdays: [3, 1], interval: 2, count: 6 }
    expect(ruleOf(repeat)).toBe('FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;COUNT=6')
  })

  it('ends with the last day, evening included', () => {
    const repeat = { ...once('2026-11-24'), every: 'day' as const, ends: 'until' as const, until: '2026-12-01' }
    expect(ruleOf(repeat)).toBe('FREQ=DAILY;UNTIL=20261201T235959')
  })
})
