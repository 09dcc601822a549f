import { ref, watchEffect } from 'vue'
import { darkDevice, isNightFor, keptTheme, THEME_KEY, type Theme } from './preferences'
import { writeStored } from './storage'

export type { Theme }

const deviceIsDark = ref(darkDevice.matches)
darkDevice.addEventListener('change', (event) => {
  deviceIsDark.value = event.matches
})

export const theme = ref<Theme>(keptTheme())

export function setTheme(value: Theme): void {
  theme.value = value
  writeStored(THEME_KEY, value)
}

export function isNight(): boolean {
  return isNightFor(theme.value, deviceIsDark.value)
}

watchEffect(() => {
  const page = document.documentElement
  page.dataset.theme = isNight() ? 'night' : 'light'
  // The bar of an installed page goes with it.
  const bar = document.querySelector('meta[name=theme-color]')
  bar?.setAttribute('content', getComputedStyle(page).getPropertyValue('--paper').trim())
})
