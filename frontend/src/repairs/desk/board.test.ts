import { describe, expect, it } from 'vitest'
import type { Card } from '../types'
import { columnsOf, windowOf, type BoardFilter } from './board'

const ALL: BoardFilter = { words: '', category: '', urgency: '', atRisk: false }

function card(id: string, change: Partial<Card> = {}): Card {
  return {
    id,
    state: 'submitted',
    version: 1,
    urgency: 'normal',
    category: 'rcat_1',
    place_text: '一号楼',
    words: '灯不亮',
    assignee: null,
    assignee_name: null,
    round: 1,
    declines: 0,
    hold_cause: null,
    raised_at: `2026-11-23T08:00:0${id}Z`,
    changed_at: '',
    problem: null,
    due_at: null,
    sla: 'ok',
    ...change,
  }
}

function idsIn(cards: Card[], column: string, filter: Partial<BoardFilter> = {}): string[] {
  const found = columnsOf(cards, { ...ALL, ...filter }).find((each) => each.name === column)
  return found?.cards.map((each) => each.id) ?? []
}

describe('a column', () => {
  it('begins with broken promises, then those at risk, then the most urgent, then the oldest', () => {
    const cards = [
      card('1'),
      card('2', { urgency: 'urgent' }),
      card('3', { sla: 'warned' }),
      card('4', { sla: 'breached' }),
      card('0'),
    ]
    expect(idsIn(cards, 'submitted')).toEqual(['4', '3', '2', '0', '1'])
  })

  it('holds somebody on the way beside those who are about to go', () => {
    expect(idsIn([card('1', { state: 'en_route' }), card('2', { state: 'assigned' })], 'assigned')).toEqual(['1', '2'])
  })

  it('shows nothing that is over', () => {
    expect(columnsOf([card('1', { state: 'confirmed' })], ALL).flatMap((each) => each.cards)).toEqual([])
  })

  it('is narrowed by words, category, urgency and risk', () => {
    const cards = [card('1', { words: '漏水' }), card('2', { category: 'rcat_2' }), card('3', { sla: 'breached' })]
    expect(idsIn(cards, 'submitted', { words: '漏' })).toEqual(['1'])
    expect(idsIn(cards, 'submitted', { category: 'rcat_2' })).toEqual(['2'])
    expect(idsIn(cards, 'submitted', { atRisk: true })).toEqual(['3'])
    expect(idsIn(cards, 'submitted', { urgency: 'low' })).toEqual([])
  })
})

describe('the window', () => {
  it('is a few rows of ten thousand', () => {
    expect(windowOf(10_000, 100, 50_000, 700)).toEqual({ first: 496, last: 511 })
  })
  it('ends where the list ends', () => expect(windowOf(3, 100, 0, 700)).toEqual({ first: 0, last: 3 }))
})
