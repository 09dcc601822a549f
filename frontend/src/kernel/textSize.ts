import { onScopeDispose, ref, watchEffect } from 'vue'
import { keptTextSize, TEXT_SIZE_KEY, type TextSize } from './preferences'
import { writeStored } from './storage'

export type { TextSize }

export const textSize = ref<TextSize>(keptTextSize())

export function setTextSize(value: TextSize): void {
  textSize.value = value
  writeStored(TEXT_SIZE_KEY, value)
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
