import { newClientId } from '../ordersApi'

/** Who this page is to the server while nobody is signed in: made once, kept while the tab lives. */
const NAME = 'guanjia.guest'
let made = ''

export function guestKey(): string {
  if (made) return made
  try {
    made = sessionStorage.getItem(NAME) ?? newClientId()
    sessionStorage.setItem(NAME, made)
  } catch {
    // A private window that keeps nothing: the page itself remembers.
    made ||= newClientId()
  }
  return made
}
