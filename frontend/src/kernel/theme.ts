import { ref, watchEffect } from 'vue'
import { readStored, writeStored } from './storage'

export type Theme = 'auto' | 'light' | 'night'

const KEY = 'guanjia.theme'
const darkDevice = window.matchMedia('(prefers-color-scheme: dark)')
const deviceIsDark = ref(darkDevice.matches)
darkDevice.addEventListener('change', (event) => {
  deviceIsDark.value = event.matches
})

export const theme = ref<Theme>(readStored<Theme>(KEY) ?? 'auto')

export function setTheme(value: Theme): void {
  theme.value = value
  writeStored(KEY, value)
}

export function isNight(): boolean {
  return theme.value === 'night' || (theme.value === 'auto' && deviceIsDark.value)
}

watchEffect(() => {
  const page = document.documentElement
  page.dataset.theme = isNight() ? 'night' : 'light'
  // The bar of an installed page goes with it.
  const bar = document.querySelector('meta[name=theme-color]')
  bar?.setAttribute('content', getComputedStyle(page).getPropertyValue('--paper').trim())
})
