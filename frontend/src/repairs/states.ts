import type { IconName } from '@/kernel/UiIcon.vue'
import type { Urgency } from './types'

/** The columns of the board, in the order of the work; each is one state, or two that look alike to a dispatcher. */
export const COLUMNS: { name: string; states: string[] }[] = [
  { name: 'submitted', states: ['submitted'] },
  { name: 'accepted', states: ['accepted'] },
  { name: 'assigned', states: ['assigned', 'en_route'] },
  { name: 'in_progress', states: ['in_progress'] },
  { name: 'on_hold', states: ['on_hold'] },
  { name: 'done', states: ['done'] },
  { name: 'disputed', states: ['disputed', 'follow_up'] },
]

export const URGENCIES: readonly Urgency[] = ['low', 'normal', 'high', 'urgent']
export const HOLD_CAUSES = ['waiting_requester', 'parts', 'contractor', 'access', 'out_of_hours', 'other'] as const
/** Of these the clock does not stop. */
export const CLOCK_GOES_ON = new Set<string>(['other'])

const ENDED = new Set(['rejected', 'merged', 'withdrawn', 'cancelled'])
const SETTLED = new Set(['confirmed', 'rated', 'answered'])

export function isEnded(state: string): boolean {
  return ENDED.has(state)
}

/** Nobody has anything to do any more, except perhaps to rate. */
export function isOver(state: string): boolean {
  return ENDED.has(state) || SETTLED.has(state)
}

/** How far an order has come on the line of five: raised, accepted, somebody comes, at work, done. */
export function stageOf(state: string): number {
  if (state === 'submitted') return 0
  if (state === 'accepted') return 1
  if (state === 'assigned' || state === 'en_route') return 2
  if (['in_progress', 'on_hold', 'disputed'].includes(state)) return 3
  return 4
}

/** What must be said in words when a trigger is pulled. */
export function needsWords(trigger: string): boolean {
  return ['reject', 'decline', 'dispute', 'answer', 'cancel'].includes(trigger)
}

/** Of the triggers that somebody may pull, those that end badly. */
export function isDangerous(trigger: string): boolean {
  return ['reject', 'cancel', 'decline', 'withdraw', 'dispute'].includes(trigger)
}

/** Triggers that mean the same to whoever looks: only the first is drawn. */
export function drawn(allowed: readonly string[]): string[] {
  return allowed.filter((trigger) => trigger !== 'cancel' || !allowed.includes('withdraw'))
}

const ICONS: Record<string, IconName> = {
  light: 'bulb',
  lamp: 'bulb',
  power: 'bulb',
  electric: 'bulb',
  electricity: 'bulb',
  water: 'drop',
  plumbing: 'drop',
  drain: 'drop',
  lift: 'lift',
  door: 'door',
  lock: 'lock',
  furniture: 'door',
  network: 'globe',
  computer: 'terminal',
  air: 'wind',
  hvac: 'wind',
  climate: 'wind',
  heating: 'wind',
  cleaning: 'star',
  building: 'building',
  kitchen: 'bowl',
  fire: 'shield',
  security: 'shield',
}

/** Those that the office chooses from. */
export const CATEGORY_ICONS = [
  ...[
    'building',
    'light',
    'water',
    'lift',
    'door',
    'lock',
    'network',
    'computer',
    'air',
    'cleaning',
    'kitchen',
    'fire',
  ],
  'other',
] as const

/** The picture of a category; a wrench where there is none for it. */
export function iconOf(icon: string | null | undefined): IconName {
  return ICONS[icon ?? ''] ?? 'tool'
}
