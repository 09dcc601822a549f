import { COLUMNS } from '../states'
import type { Card } from '../types'

/** What somebody at the desk wants to see of the board. */
export interface BoardFilter {
  words: string
  category: string
  urgency: string
  /** Only what is at risk, or has been broken. */
  atRisk: boolean
}

export interface BoardColumn {
  name: string
  cards: Card[]
}

const RISK: Record<string, number> = { breached: 0, warned: 1 }
const URGENT: Record<string, number> = { urgent: 0, high: 1, normal: 2, low: 3 }

const COLUMN_OF = new Map(COLUMNS.flatMap(({ name, states }) => states.map((state) => [state, name] as const)))

export function isAtRisk(card: Card): boolean {
  return (card.sla ?? '') in RISK
}

/** Promises that are broken, then those that soon will be; then what is most urgent, then what waits longest. */
function byNeed(one: Card, other: Card): number {
  return (
    (RISK[one.sla ?? ''] ?? 2) - (RISK[other.sla ?? ''] ?? 2) ||
    (URGENT[one.urgency] ?? 9) - (URGENT[other.urgency] ?? 9) ||
    (one.raised_at < other.raised_at ? -1 : 1)
  )
}

/** What needs somebody first, of however many there are. */
export function mostNeeded(cards: Iterable<Card>, count: number): Card[] {
  return [...cards].sort(byNeed).slice(0, count)
}

function isWanted(card: Card, filter: BoardFilter, words: string): boolean {
  if (filter.category && card.category !== filter.category) return false
  if (filter.urgency && card.urgency !== filter.urgency) return false
  if (filter.atRisk && !isAtRisk(card)) return false
  return words === '' || `${card.words} ${card.place_text} ${card.assignee_name ?? ''}`.toLowerCase().includes(words)
}

/** The columns, each in the order of need; one walk over all cards, however many there are. */
export function columnsOf(cards: Iterable<Card>, filter: BoardFilter): BoardColumn[] {
  const columns = new Map<string, Card[]>(COLUMNS.map(({ name }) => [name, []]))
  const words = filter.words.trim().toLowerCase()
  for (const card of cards) {
    const column = COLUMN_OF.get(card.state)
    if (column && isWanted(card, filter, words)) columns.get(column)?.push(card)
  }
  return [...columns].map(([name, found]) => ({ name, cards: found.sort(byNeed) }))
}

/** The part of a list that is in sight, with a little above and below it. */
export function windowOf(
  count: number,
  rowHeight: number,
  top: number,
  height: number,
): { first: number; last: number } {
  const AROUND = 4
  const first = Math.max(0, Math.floor(top / rowHeight) - AROUND)
  return { first, last: Math.min(count, Math.ceil((top + height) / rowHeight) + AROUND) }
}
