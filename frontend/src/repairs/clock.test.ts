import { describe, expect, it } from 'vitest'
import { faceOf, partsOf } from './clock'
import type { Sla } from './types'

const NOW = Date.parse('2026-11-23T08:00:00Z')

function agreement(change: Partial<Sla> = {}): Sla {
  return {
    state: 'ok',
    next: 'resolution',
    due_at: '2026-11-23T08:30:00Z',
    paused_cause: null,
    warning: null,
    milestones: [
      milestone('response', { reached_at: '2026-11-23T07:00:00Z', state: 'kept' }),
      milestone('resolution', { due_at: '2026-11-23T08:30:00Z', left_s: 1800 }),
    ],
    ...change,
  }
}

function milestone(
  name: Sla['milestones'][number]['milestone'],
  change: Partial<Sla['milestones'][number]>,
): Sla['milestones'][number] {
  return {
    milestone: name,
    target_s: 3600,
    due_at: null,
    left_s: 0,
    breached_at: null,
    reached_at: null,
    state: 'waiting',
    ...change,
  }
}

describe('the face of a clock', () => {
  it('is that of the first promise not yet kept', () => {
    expect(faceOf(agreement(), NOW, NOW)).toMatchObject({ milestone: 'resolution', tone: 'ok', leftS: 1800 })
  })

  it('goes on by itself, and is bad the second after it was due', () => {
    const half = 30 * 60_000
    expect(faceOf(agreement(), NOW, NOW + half + 1000)).toMatchObject({ tone: 'bad', leftS: -1 })
  })

  it('stands still while the order is on hold', () => {
    const held = agreement({ state: 'paused', milestones: [milestone('resolution', { left_s: 600 })] })
    expect(faceOf(held, NOW, NOW + 3_600_000)).toMatchObject({ paused: true, leftS: 600, tone: 'idle' })
  })

  it('is not there once all is reached or there is no agreement', () => {
    expect(faceOf(agreement({ state: 'met', next: null }), NOW, NOW)).toBeNull()
    expect(faceOf(null, NOW, NOW)).toBeNull()
  })
})

describe('how long', () => {
  it.each([
    [59, { unit: 'minutes', major: 0, minor: 0 }],
    [-125, { unit: 'minutes', major: 2, minor: 0 }],
    [3_660, { unit: 'hours', major: 1, minor: 1 }],
    [50 * 3600, { unit: 'days', major: 2, minor: 2 }],
  ])('%i seconds', (seconds, parts) => {
    expect(partsOf(seconds)).toEqual(parts)
  })
})
