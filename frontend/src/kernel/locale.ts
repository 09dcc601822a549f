import { ref } from 'vue'
import { keptLocale, LOCALE_KEY, type Locale } from './preferences'
import { writeStored } from './storage'

export type { Locale }

export const locale = ref<Locale>(keptLocale())

// Another window of the same browser follows.
window.addEventListener('storage', (event) => {
  if (event.key === LOCALE_KEY) locale.value = keptLocale()
})

export function setLocale(value: Locale): void {
  locale.value = value
  writeStored(LOCALE_KEY, value)
}
