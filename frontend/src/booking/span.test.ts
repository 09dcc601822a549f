import { describe, expect, it } from 'vitest'
import { bookableHours, freeOf, hoursOf, minutesIn, partOf, spanOn, spanWords } from './span'
import type { Bookable } from './types'

const ZONE = 'Asia/Shanghai'
const hall = (opens_at: string | null, closes_at: string | null, weekdays = [0, 1, 2, 3, 4]) =>
  ({ opens_at, closes_at, weekdays }) as Bookable

describe('the hours of a picture', () => {
  it('hold the earliest opening and the latest closing', () => {
    expect(hoursOf([hall('08:30', '18:00'), hall('09:00', '21:30'), hall(null, null)])).toEqual({ from: 480, to: 1320 })
  })

  it('are those of a working day where all is open round the clock', () => {
    expect(hoursOf([hall(null, null)])).toEqual({ from: 480, to: 1200 })
  })

  it('end at midnight where that is the closing', () => {
    expect(hoursOf([hall('18:00', '00:00')])).toEqual({ from: 1080, to: 1440 })
  })
})

describe('a span', () => {
  it('comes from the wall clock of the place and goes back to it', () => {
    const span = spanOn(ZONE, '2026-11-24', 570, 660)
    expect(span).toEqual({ starts_at: '2026-11-24T01:30:00.000Z', ends_at: '2026-11-24T03:00:00.000Z' })
    expect(minutesIn(ZONE, '2026-11-24', span.starts_at)).toBe(570)
    expect(spanOn(ZONE, '2026-11-24', 1380, 1440).ends_at).toBe('2026-11-24T16:00:00.000Z')
  })

  it('that began the day before covers the morning', () => {
    const night = { starts_at: '2026-11-23T12:00:00Z', ends_at: '2026-11-24T02:00:00Z' }
    expect(partOf(night, ZONE, '2026-11-24', { from: 480, to: 1200 })).toEqual({ from: 480, to: 600 })
    expect(partOf(night, ZONE, '2026-11-25', { from: 480, to: 1200 })).toBeNull()
  })

  it('is told with the second day where there is one', () => {
    const night = { starts_at: '2026-11-24T06:00:00Z', ends_at: '2026-11-25T04:00:00Z' }
    expect(spanWords(night, ZONE, (day) => day.slice(8))).toBe('24 14:00 – 25 12:00')
  })
})

describe('what is free', () => {
  it('is what overlapping times leave', () => {
    const taken = [
      { from: 600, to: 660 },
      { from: 540, to: 630 },
    ]
    expect(freeOf({ from: 480, to: 720 }, taken)).toEqual([
      { from: 480, to: 540 },
      { from: 660, to: 720 },
    ])
  })

  it('is nothing on a day when it is closed', () => {
    expect(bookableHours(hall('09:00', '18:00'), '2026-11-28', { from: 480, to: 1200 })).toBeNull()
    expect(bookableHours(hall('09:00', '18:00'), '2026-11-27', { from: 480, to: 1200 })).toEqual({
      from: 540,
      to: 1080,
    })
  })
})
