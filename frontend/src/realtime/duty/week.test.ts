import { describe, expect, it } from 'vitest'
import type { Shift } from './types'
import { clockIn, instantIn, mondayOf, moveDay, wallIn } from '@/kernel/days'
import { daysOf, placeOn, rowsOf } from './week'

const SHANGHAI = 'Asia/Shanghai'
const WEEK = { starts_at: '2026-11-22T16:00:00.000Z', ends_at: '2026-11-29T16:00:00.000Z' }

describe('a week', () => {
  it('has seven days by the clock of its zone', () => {
    const days = daysOf(WEEK, SHANGHAI)
    expect(days).toHaveLength(7)
    expect([days[0], days[6]]).toEqual(['2026-11-23', '2026-11-29'])
  })

  it('has seven days where the clock is put forward, too', () => {
    const berlin = { starts_at: '2027-03-21T23:00:00.000Z', ends_at: '2027-03-28T22:00:00.000Z' }
    expect(daysOf(berlin, 'Europe/Berlin')).toHaveLength(7)
  })

  it('begins on a Monday', () => {
    expect(mondayOf('2026-11-29')).toBe('2026-11-23')
    expect(mondayOf('2026-11-23')).toBe('2026-11-23')
    expect(moveDay('2028-02-28', 2)).toBe('2028-03-01')
  })
})

describe('a shift in it', () => {
  it('stands where it belongs, cut off at the edges', () => {
    const night = { starts_at: '2026-11-22T12:00:00.000Z', ends_at: '2026-11-23T00:00:00.000Z' }
    const placed = placeOn(night, WEEK)
    expect(placed?.left).toBe(0)
    expect(placed?.width).toBeCloseTo((8 / 168) * 100)
    expect(placeOn({ starts_at: WEEK.ends_at, ends_at: '2026-11-30T00:00:00.000Z' }, WEEK)).toBeNull()
  })

  it('stands in the row of whoever has it', () => {
    const shift = (id: string, name: string) => ({ person: { id, name } }) as Shift
    const rows = rowsOf([shift('a', '安安'), shift('b', '本本'), shift('a', '安安')])
    expect(rows.map((row) => [row.name, row.shifts.length])).toEqual([
      ['安安', 2],
      ['本本', 1],
    ])
  })
})

describe('a form', () => {
  it('asks by the wall clock of the team and tells the instant', () => {
    expect(instantIn(SHANGHAI, '2026-11-23T20:00')).toBe('2026-11-23T12:00:00.000Z')
    expect(instantIn('Europe/Berlin', '2027-03-28T08:00')).toBe('2027-03-28T06:00:00.000Z')
    expect(wallIn(SHANGHAI, '2026-11-23T12:00:00.000Z')).toBe('2026-11-23T20:00')
    expect(clockIn(SHANGHAI, '2026-11-22T16:00:00.000Z')).toBe('00:00')
  })
})
