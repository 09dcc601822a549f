import * as audio from './audio/messages'
import * as calls from './calls/messages'

export const zh = {
  ...audio.zh,
  ...calls.zh,
}

export const en: typeof zh = {
  ...audio.en,
  ...calls.en,
}
