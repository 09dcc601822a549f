import { expect, it } from 'vitest'
import { lasted } from './ago'

it('counts up from nothing, and never below it', () => {
  const since = '2026-11-23T12:00:00.000Z'
  const at = Date.parse(since)
  expect(lasted(since, at + 7_000)).toBe('0:07')
  expect(lasted(since, at + 750_000)).toBe('12:30')
  expect(lasted(since, at - 60_000)).toBe('0:00')
})
