import { onScopeDispose, ref, watchEffect } from 'vue'
import { readStored, writeStored } from './storage'

export type TextSize = 'normal' | 'large'

const KEY = 'guanjia.textSize'

export const textSize = ref<TextSize>(readStored<TextSize>(KEY) ?? 'normal')

export function setTextSize(value: TextSize): void {
  textSize.value = value
  writeStored(KEY, value)
}

/** Lets the page that calls it follow the person's choice; the sizes themselves stand in tokens.css. */
export function useTextSize(): void {
  const page = document.documentElement
  watchEffect(() => {
    page.dataset.text = textSize.value
  })
  onScopeDispose(() => {
    delete page.dataset.text
  })
}
