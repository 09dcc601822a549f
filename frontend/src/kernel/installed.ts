/** How long the page is left alone to show what it is for before anything else is fetched. */
const AFTER_MS = 1_500

/**
 * Registers the service worker that opens this page without a network. It is fetched behind the page itself, and a new
 * build is fetched behind the old one: whoever holds out a code is never interrupted.
 */
export function keepInstalled(): void {
  if (!('serviceWorker' in navigator)) return
  setTimeout(() => {
    // Refused in some private windows: the page then works as any other page does.
    navigator.serviceWorker.register('/sw.js').catch(() => undefined)
  }, AFTER_MS)
}
