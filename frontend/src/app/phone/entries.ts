import type { Component } from 'vue'
import { signsAtTills } from '@/identity/rights'
import type { IconName } from '@/kernel/UiIcon.vue'

/** The name of an entry's page in the address: `/?tab=lost`. */
export type EntryPage = string

/**
 * One square on the phone's home. Its page is fetched when it is opened, finds its ApiClient by `useApi()`, and may emit
 * `done` (back to the home) and `open` with a payment's id. Its own page has no title: the phone writes `label` above it.
 */
export interface PhoneEntry {
  page: EntryPage
  icon: IconName
  /** Key of a message: a word or two. */
  label: string
  load: () => Promise<{ default: Component }>
  /** It has a button of its own on the home and needs no square. */
  hasOwnButton?: boolean
  /** Whose it is, by their roles; without it, everybody's. */
  isFor?: (roles: readonly string[]) => boolean
}

/** Everything the home offers besides paying, in the order of the thumb. To add one: a line here, and its panel. */
export const ENTRIES: readonly PhoneEntry[] = [
  {
    page: 'call',
    icon: 'bell',
    label: 'realtime.calls.title',
    load: () => import('./CallPage.vue'),
    hasOwnButton: true,
  },
  {
    page: 'repairs',
    icon: 'tool',
    label: 'app.phone.repairs',
    load: () => import('./RepairsPage.vue'),
  },
  {
    page: 'suggestions',
    icon: 'bulb',
    label: 'app.phone.suggestions',
    load: () => import('./SuggestionsPage.vue'),
  },
  {
    page: 'work',
    icon: 'check',
    label: 'app.phone.work',
    load: () => import('./WorkPage.vue'),
    isFor: (roles) => roles.includes('technician'),
  },
  {
    page: 'scan',
    icon: 'scan',
    label: 'payments.scan.title',
    load: () => import('./ScanPage.vue'),
  },
  {
    page: 'top_up',
    icon: 'plus',
    label: 'payments.topUp.title',
    load: () => import('@/payments/topUp/TopUpPanel.vue'),
  },
  {
    page: 'booking',
    icon: 'calendar',
    label: 'app.phone.booking',
    load: () => import('./BookingEntry.vue'),
  },
  {
    page: 'card',
    icon: 'wallet',
    label: 'payments.card.title',
    load: () => import('@/payments/phone/CardPanel.vue'),
  },
  {
    page: 'lost',
    icon: 'lock',
    label: 'payments.lost.title',
    load: () => import('@/payments/phone/LostPanel.vue'),
  },
  {
    page: 'statements',
    icon: 'receipt',
    label: 'payments.statements.title',
    load: () => import('@/payments/phone/StatementsPanel.vue'),
  },
  {
    page: 'withdraw',
    icon: 'signout',
    label: 'payments.withdrawals.title',
    load: () => import('@/payments/withdrawals/WithdrawPanel.vue'),
  },
  {
    page: 'till_pin',
    icon: 'key',
    label: 'canteen.shifts.pinEntry',
    load: () => import('@/canteen/phone/TillPinPanel.vue'),
    isFor: signsAtTills,
  },
]
