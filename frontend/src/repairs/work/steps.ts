import type { Note, TriggerBody, WholeOrder } from '../types'

/** One thing done on the spot, written down before it is sent; its own name keeps it one, however often it is sent. */
export interface WorkStep {
  client_id: string
  /** The order in which things were done on this device. */
  seq: number
  order: string
  kind: 'trigger' | 'note' | 'check' | 'labour'
  trigger?: string
  ordinal?: number
  /** The version this device believed the order had. */
  base_version: number
  happened_at: string
  body: StepBody
  photos: Blob[]
  /** The photos that have arrived, by the names the server gave them. */
  sent: string[]
}

export interface StepBody extends TriggerBody {
  kind?: Note['kind']
  is_public?: boolean
  ticked?: boolean
  started_at?: string
  minutes?: number
}

/** What the server answers to a step. */
export interface StepResult {
  client_id: string
  status: 'done' | 'repeated' | 'refused'
  code: string | null
  message: string | null
  state: string
}

/** A step that came too late, and why. */
export interface Refusal {
  client_id: string
  order: string
  what: string
  why: string
}

/** What whoever does the work may do, in which state: the part of the server's table that a phone needs without a network. */
export const WORK_TABLE: Record<string, Record<string, string>> = {
  assigned: { set_out: 'en_route', start: 'in_progress', decline: 'accepted' },
  en_route: { start: 'in_progress', decline: 'accepted' },
  in_progress: { finish: 'done', hold: 'on_hold' },
  on_hold: { resume: 'in_progress' },
  disputed: { start: 'in_progress' },
}

const WORK_TRIGGERS = new Set(Object.values(WORK_TABLE).flatMap((row) => Object.keys(row)))

/** The order as it will be once what waits has arrived. */
export function applySteps(order: WholeOrder, steps: readonly WorkStep[], me: string): WholeOrder {
  const mine = steps.filter((step) => step.order === order.id)
  const begun = { ...order, allowed: order.allowed.filter((trigger) => WORK_TRIGGERS.has(trigger)) }
  return mine.reduce((now, step) => applyStep(now, step, me), begun)
}

function applyStep(order: WholeOrder, step: WorkStep, me: string): WholeOrder {
  const { body } = step
  if (step.kind === 'trigger') return pulled(order, step)
  if (step.kind === 'check') {
    const checklist = order.checklist.map((item) =>
      item.ordinal === step.ordinal
        ? {
            ...item,
            ticked_at: body.ticked ? step.happened_at : null,
            ticked_by: body.ticked ? { id: '', name: me } : null,
          }
        : item,
    )
    return { ...order, checklist }
  }
  if (step.kind === 'labour') {
    const kept = { id: step.client_id, person: { id: '', name: me }, words: body.words ?? '' }
    const spent = { started_at: body.started_at ?? step.happened_at, minutes: body.minutes ?? 0 }
    return { ...order, labour: [...order.labour, { ...kept, ...spent }] }
  }
  const note: Note = {
    id: step.client_id,
    kind: body.kind ?? 'note',
    words: body.words ?? '',
    author_name: me,
    files: [],
    at: step.happened_at,
    is_public: body.is_public ?? false,
  }
  return { ...order, notes: [...order.notes, note] }
}

function pulled(order: WholeOrder, step: WorkStep): WholeOrder {
  const state = WORK_TABLE[order.state]?.[step.trigger ?? '']
  if (!state) return order
  const hold =
    state === 'on_hold'
      ? { cause: step.body.cause ?? 'other', until: step.body.until ?? null, since: step.happened_at }
      : null
  return { ...order, state, hold, version: order.version + 1, allowed: Object.keys(WORK_TABLE[state] ?? {}) }
}

export function minutesOf(order: WholeOrder): number {
  return order.labour.reduce((sum, each) => sum + each.minutes, 0)
}

/** The required items that nobody has ticked. */
export function openItems(order: WholeOrder): number {
  return order.checklist.filter((item) => item.is_required && !item.ticked_at).length
}

const RANK: Record<string, number> = { in_progress: 0, en_route: 1, disputed: 2, assigned: 3, on_hold: 4 }
const URGENT: Record<string, number> = { urgent: 0, high: 1, normal: 2, low: 3 }

/** Whose hands are on it first; then what is most urgent, then what is due first. */
export function inOrderOfWork(orders: readonly WholeOrder[]): WholeOrder[] {
  const rank = (order: WholeOrder) => RANK[order.state] ?? 9
  const due = (order: WholeOrder) => order.sla?.due_at ?? '9'
  return orders
    .filter((order) => order.state in RANK)
    .toSorted(
      (a, b) =>
        rank(a) - rank(b) ||
        (URGENT[a.urgency] ?? 9) - (URGENT[b.urgency] ?? 9) ||
        due(a).localeCompare(due(b)) ||
        a.raised_at.localeCompare(b.raised_at),
    )
}
