import { expect, it } from 'vitest'
import { clockOf, minuteOf } from './hours'

it('writes and reads the minutes of a day', () => {
  for (const minute of [0, 9, 510, 1439]) expect(minuteOf(clockOf(minute))).toBe(minute)
  expect(minuteOf('8：05')).toBe(485)
})

it('takes no other text for a time', () => {
  for (const text of ['24:00', '8', '08:60', '', 'noon']) expect(minuteOf(text)).toBeNull()
})
