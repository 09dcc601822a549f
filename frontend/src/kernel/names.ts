import type { Locale } from './locale'

/** Places and dishes carry their name in both languages. */
export interface Named {
  name_zh: string
  name_en: string
}

export function nameIn(thing: Named, locale: Locale | string): string {
  return locale === 'en' ? thing.name_en || thing.name_zh : thing.name_zh
}
