import * as policies from './calls/admin/messages'
import * as desk from './desk/messages'
import * as duty from './duty/messages'

/** What only those on duty read, and those who keep the rota: a phone in a queue does not wait for it. */
export const zh = {
  ...desk.zh,
  ...duty.zh,
  ...policies.zh,
}

export const en: typeof zh = {
  ...desk.en,
  ...duty.en,
  ...policies.en,
}
