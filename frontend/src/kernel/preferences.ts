import { readStored } from './storage'

/*
 * What somebody has chosen for this device, read without the framework: the first thing that is painted goes by it too.
 * locale.ts, theme.ts and textSize.ts make it reactive and change it.
 */
export type Locale = 'zh-CN' | 'en'
export type Theme = 'auto' | 'light' | 'night'
export type TextSize = 'normal' | 'large'

export const LOCALE_KEY = 'guanjia.locale'
export const THEME_KEY = 'guanjia.theme'
export const TEXT_SIZE_KEY = 'guanjia.textSize'

/** Chinese first; English when asked for. */
export const keptLocale = (): Locale => readStored<Locale>(LOCALE_KEY) ?? 'zh-CN'
export const keptTheme = (): Theme => readStored<Theme>(THEME_KEY) ?? 'auto'
export const keptTextSize = (): TextSize => readStored<TextSize>(TEXT_SIZE_KEY) ?? 'normal'

export const darkDevice = window.matchMedia('(prefers-color-scheme: dark)')

export function isNightFor(theme: Theme, deviceIsDark: boolean): boolean {
  return theme === 'night' || (theme === 'auto' && deviceIsDark)
}
