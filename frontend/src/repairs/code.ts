/** The letters of a label in what a camera has read: a place's, or a machine's; bare, or in the printed address. */
export function labelIn(text: string): string | null {
  return /(?:^|\/(?:at|repair)\/)([A-Z2-7]{45})(?:[/?#]|$)/.exec(text.trim())?.[1] ?? null
}

const TICKET = /^[A-Z0-9]{4}(-[A-Z0-9]{4}){3}$/

/** A follow-up code as it is printed, however it was typed; null where it is none. */
export function ticketIn(text: string): string | null {
  const letters = text.toUpperCase().replace(/[^A-Z0-9]/g, '')
  const ticket = letters.match(/.{1,4}/g)?.join('-') ?? ''
  return TICKET.test(ticket) ? ticket : null
}
