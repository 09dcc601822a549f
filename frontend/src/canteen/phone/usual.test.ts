import { describe, expect, it } from 'vitest'
import type { Canteen } from '../types'
import { usualFirst } from './usual'

const canteen = (id: string, meal: string | null) => ({ id, now: { meal } }) as unknown as Canteen
const paidAt = (id: string) => ({ id: `pay_${id}`, canteen: id })

describe('the usual canteen', () => {
  it('is where somebody has paid most often lately', () => {
    const found = usualFirst([canteen('a', 'lunch'), canteen('b', null)], [paidAt('b'), paidAt('b'), paidAt('a')])
    expect(found.map((each) => each.id)).toEqual(['b', 'a'])
  })

  it('is one that serves now for somebody who has paid nowhere yet', () => {
    const found = usualFirst([canteen('a', null), canteen('b', 'lunch')], [])
    expect(found[0]?.id).toBe('b')
  })
})
