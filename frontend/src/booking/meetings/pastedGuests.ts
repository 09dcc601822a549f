const keyOf = (meeting: string) => `guanjia.meeting.guests.${meeting}`

/** Guests that were pasted into the form, handed on to the meeting's own page. */
export function keepGuests(meeting: string, text: string): void {
  if (text.trim() === '') return
  try {
    sessionStorage.setItem(keyOf(meeting), text)
  } catch {
    // Without room to keep them they are pasted again.
  }
}

/** Given once. */
export function takeGuests(meeting: string): string {
  try {
    const text = sessionStorage.getItem(keyOf(meeting)) ?? ''
    sessionStorage.removeItem(keyOf(meeting))
    return text
  } catch {
    return ''
  }
}
