import * as admin from './admin/messages'
import * as settlement from './admin/settlement/messages'
import * as developers from './developers/messages'
import * as differences from './differences/messages'
import * as reconciliation from './reconciliation/messages'

/** Words that only the office reads: a phone in a queue does not wait for them. */
export const zh = { ...admin.zh, ...settlement.zh, ...developers.zh, ...differences.zh, ...reconciliation.zh }

export const en: typeof zh = {
  ...admin.en,
  ...settlement.en,
  ...developers.en,
  ...differences.en,
  ...reconciliation.en,
}
