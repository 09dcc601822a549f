import * as audio from './audio/messages'
import * as duty from './duty/messages'
import * as policies from './calls/admin/messages'
import * as calls from './calls/messages'
import * as desk from './desk/messages'

export const zh = {
  ...audio.zh,
  ...duty.zh,
  ...calls.zh,
  ...policies.zh,
  ...desk.zh,
}

export const en: typeof zh = {
  ...audio.en,
  ...duty.en,
  ...calls.en,
  ...policies.en,
  ...desk.en,
}
