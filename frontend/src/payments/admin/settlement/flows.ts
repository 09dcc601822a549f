import type { Owed, Place } from './types'

/** One band of the picture: from a debtor on the left to a creditor on the right. */
export interface Band {
  debtor: Place
  creditor: Place
  amountFen: number
  path: string
}

/** One side's block: how much somebody pays or receives, and where it stands. */
export interface Block {
  place: Place
  amountFen: number
  y: number
  height: number
}

export interface Picture {
  height: number
  /** Room for words on either side. */
  label: number
  debtors: Block[]
  creditors: Block[]
  bands: Band[]
}

// Names and sums stand beside the blocks, so that no band runs through a word.
const LABEL = 140
const LABEL_ON_A_PHONE = 104
const NARROW = 520
export const SIDE = 12
const HEIGHT_OF_ALL = 240
// Two lines of words have room beside the thinnest block.
const GAP = 36
const LEAST = 3

/** Bands as thick as their sums, the largest block on top; the same scale for any `whole`, so that two pictures compare. */
export function drawFlows(rows: readonly Owed[], wholeFen: number, width: number): Picture {
  const label = width < NARROW ? LABEL_ON_A_PHONE : LABEL
  const debtors = stack(rows, (row) => row.debtor, wholeFen)
  const creditors = stack(rows, (row) => row.creditor, wholeFen)
  const left = new Map(debtors.map((block) => [block.place.id, block.y]))
  const right = new Map(creditors.map((block) => [block.place.id, block.y]))
  const order = new Map(creditors.map((block, index) => [block.place.id, index]))
  const bands = [...rows]
    .sort((a, b) => (order.get(a.creditor.id) ?? 0) - (order.get(b.creditor.id) ?? 0))
    .map((row) => {
      const thick = thickness(row.amount_fen, wholeFen)
      const from = left.get(row.debtor.id) ?? 0
      const to = right.get(row.creditor.id) ?? 0
      left.set(row.debtor.id, from + thick)
      right.set(row.creditor.id, to + thick)
      return {
        debtor: row.debtor,
        creditor: row.creditor,
        amountFen: row.amount_fen,
        path: band(from, to, thick, width, label),
      }
    })
  const height = Math.max(bottom(debtors), bottom(creditors), GAP)
  return { height, label, debtors, creditors, bands }
}

function thickness(amountFen: number, wholeFen: number): number {
  return Math.max(LEAST, (amountFen / Math.max(1, wholeFen)) * HEIGHT_OF_ALL)
}

function stack(rows: readonly Owed[], of: (row: Owed) => Place, wholeFen: number): Block[] {
  const found = new Map<string, Block>()
  for (const row of rows) {
    const place = of(row)
    const block = found.get(place.id) ?? { place, amountFen: 0, y: 0, height: 0 }
    block.amountFen += row.amount_fen
    block.height += thickness(row.amount_fen, wholeFen)
    found.set(place.id, block)
  }
  const blocks = [...found.values()].sort((a, b) => b.amountFen - a.amountFen)
  let y = GAP / 2
  for (const block of blocks) {
    block.y = y
    y += block.height + GAP
  }
  return blocks
}

function bottom(blocks: readonly Block[]): number {
  return blocks.reduce((lowest, block) => Math.max(lowest, block.y + block.height), 0) + GAP / 2
}

function band(from: number, to: number, thick: number, width: number, label: number): string {
  const begin = label + SIDE
  const middle = width / 2
  const end = width - begin
  return (
    `M${begin},${from} C${middle},${from} ${middle},${to} ${end},${to} ` +
    `V${to + thick} C${middle},${to + thick} ${middle},${from + thick} ${begin},${from + thick} Z`
  )
}
