/** The letters of a place's label in what a camera has read: by themselves, or at the end of the printed address. */
export function placeLabelIn(text: string): string | null {
  return /(?:^|\/at\/)([A-Z2-7]{45})(?:[/?#]|$)/.exec(text.trim())?.[1] ?? null
}

/** What the scanner takes: a label before anything else in view; else any text, to say that it is none. */
export function chooseLabel(texts: string[]): string | null {
  return texts.find((text) => placeLabelIn(text) !== null) ?? texts[0] ?? null
}
