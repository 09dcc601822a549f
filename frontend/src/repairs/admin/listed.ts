/** Several words in one cell, as the language sets them apart. */
export function listed(words: readonly string[], locale: string): string {
  return words.join(locale === 'en' ? ', ' : '、')
}
