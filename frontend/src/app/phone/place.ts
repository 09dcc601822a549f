import { ENTRIES, type EntryPage } from './entries'

/** Where somebody is on the phone: one of the pages below, and perhaps one payment opened on top of it. */
export interface PhonePlace {
  tab: 'home' | 'pay' | 'account' | 'me' | EntryPage
  payment: string | null
}

export const FIRST_PLACE: PhonePlace = { tab: 'pay', payment: null }

const TABS: PhonePlace['tab'][] = ['home', 'pay', 'account', 'me', ...ENTRIES.map((entry) => entry.page)]

/** The place that an address names; an unknown one is the pay code. */
export function placeOf(tab: unknown, payment: unknown): PhonePlace {
  return {
    tab: TABS.find((each) => each === tab) ?? FIRST_PLACE.tab,
    payment: typeof payment === 'string' ? payment : null,
  }
}
