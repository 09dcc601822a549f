import { describe, expect, it } from 'vitest'
import { freshLine, isWhole, moveLines, pastedRows } from './draft'

const ABOUT = { day: '2026-12-01', attendees: 40 }

describe('a new line', () => {
  it('is for as many as come, on the day of the meeting', () => {
    expect(freshLine('meals', ABOUT).line).toMatchObject({ business_date: '2026-12-01', covers: 40 })
    expect(freshLine('rooms', ABOUT).line).toMatchObject({ count: 20, first_night: '2026-12-01' })
    expect(freshLine('venue', ABOUT).line).toMatchObject({ starts_at: '2026-12-01T01:00:00.000Z' })
  })

  it('is not whole before it says which', () => {
    const { line } = freshLine('venue', ABOUT)
    expect(isWhole(line)).toBe(false)
    expect(isWhole({ ...line, bookable: 'bkb_1' } as typeof line)).toBe(true)
    expect(isWhole(freshLine('badges', ABOUT).line)).toBe(true)
  })
})

describe('another day', () => {
  it('moves every line along', () => {
    const lines = [freshLine('venue', ABOUT), freshLine('rooms', ABOUT), freshLine('meals', ABOUT)]
    moveLines(lines, '2026-12-01', '2026-12-03')
    expect(lines[0]?.line).toMatchObject({ starts_at: '2026-12-03T01:00:00.000Z' })
    expect(lines[1]?.line).toMatchObject({ first_night: '2026-12-03' })
    expect(lines[2]?.line).toMatchObject({ business_date: '2026-12-03' })
  })
})

describe('what is pasted', () => {
  it('is counted without its head and empty rows', () => {
    expect(pastedRows('姓名\t单位\n张三\t一处\n\n李四\t二处\n')).toBe(2)
    expect(pastedRows('张三\n李四')).toBe(2)
    expect(pastedRows('')).toBe(0)
  })
})
