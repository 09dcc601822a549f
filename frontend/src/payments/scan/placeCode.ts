/** The wall code in what a camera has read: 70 digits by themselves, or at the end of the address on the sheet. */
export function placeCodeIn(text: string): string | null {
  return /(?:^|\/pay\/)(71\d{68})(?:[/?#]|$)/.exec(text.trim())?.[1] ?? null
}

/** What the phone's scanner takes: a wall code before anything else in view; else any text, to say that it is none. */
export function chooseText(texts: string[]): string | null {
  return texts.find((text) => placeCodeIn(text) !== null) ?? texts[0] ?? null
}
