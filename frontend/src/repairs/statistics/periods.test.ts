import { describe, expect, it } from 'vitest'
import { daysOf } from './periods'

describe('the days of a period', () => {
  it('are whole weeks from a Monday until today', () => {
    // A Monday, and the Sunday before it.
    expect(daysOf('weeks4', '2026-11-23')).toEqual({ from: '2026-11-02', to: '2026-11-23' })
    expect(daysOf('weeks4', '2026-11-22')).toEqual({ from: '2026-10-26', to: '2026-11-22' })
    expect(daysOf('weeks12', '2026-11-23')).toEqual({ from: '2026-09-07', to: '2026-11-23' })
  })

  it('are months by the calendar, around a new year too', () => {
    expect(daysOf('month', '2027-01-05')).toEqual({ from: '2027-01-01', to: '2027-01-05' })
    expect(daysOf('last_month', '2027-01-05')).toEqual({ from: '2026-12-01', to: '2026-12-31' })
    expect(daysOf('last_month', '2028-03-31')).toEqual({ from: '2028-02-01', to: '2028-02-29' })
    expect(daysOf('year', '2027-01-05')).toEqual({ from: '2027-01-01', to: '2027-01-05' })
  })
})
