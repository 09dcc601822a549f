import { ref } from 'vue'
import { readStored, writeStored } from './storage'

export type Locale = 'zh-CN' | 'en'

const KEY = 'guanjia.locale'

/** Chinese first; English when asked for. */
export const locale = ref<Locale>(readStored<Locale>(KEY) ?? 'zh-CN')

// Another window of the same browser follows.
window.addEventListener('storage', (event) => {
  if (event.key === KEY) locale.value = readStored<Locale>(KEY) ?? 'zh-CN'
})

export function setLocale(value: Locale): void {
  locale.value = value
  writeStored(KEY, value)
}
