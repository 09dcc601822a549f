import * as audio from './audio/messages'

export const zh = {
  ...audio.zh,
}

export const en: typeof zh = {
  ...audio.en,
}
