/*
 * Opens the phone page without a network, and tells of a ring while no page is open. It keeps the files of one build, and nothing that the server ever answers: money
 * is asked for anew each time, and without a network the page itself says how old its figures are.
 *
 * frontend/scripts/serviceWorker.ts puts the version and the files of the build in the place of the two names below.
 */
const VERSION = __VERSION__
const FILES = __FILES__

const PREFIX = 'guanjia-build-'
const MINE = PREFIX + VERSION

self.addEventListener('install', (event) => {
  event.waitUntil(keepBuild())
})

async function keepBuild() {
  const cache = await caches.open(MINE)
  // Whole or not at all: a build with a file missing would open to an empty page.
  await cache.addAll(
    FILES.map((file) => new Request(file, { cache: file.startsWith('/assets/') ? 'default' : 'reload' })),
  )
  await self.skipWaiting()
}

self.addEventListener('activate', (event) => {
  event.waitUntil(leaveOlderBuilds())
})

/** The build before this one stays: pages of it that are still open fetch their parts from it. */
async function leaveOlderBuilds() {
  const builds = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== MINE)
  await Promise.all(builds.slice(0, -1).map((name) => caches.delete(name)))
  await self.clients.claim()
}

self.addEventListener('fetch', (event) => {
  const { request } = event
  const url = new URL(request.url)
  if (request.method !== 'GET' || url.origin !== self.location.origin) return
  if (request.mode === 'navigate') {
    if (url.pathname === '/') event.respondWith(pageOf(request))
  } else if (url.pathname.startsWith('/assets/') || FILES.includes(url.pathname)) {
    event.respondWith(fileOf(request))
  }
})

async function pageOf(request) {
  const mine = await caches.open(MINE)
  return (await mine.match('/')) ?? fetch(request)
}

async function fileOf(request) {
  const mine = await caches.open(MINE)
  return (await mine.match(request)) ?? (await caches.match(request)) ?? fetch(request)
}

/** Somebody rings, and no page of its owner is open: what is said stands on the device until it is looked at. */
self.addEventListener('push', (event) => {
  const notice = event.data?.json() ?? {}
  const told = { body: notice.body, tag: notice.delivery, data: { link: notice.link }, icon: '/icon-192.png' }
  event.waitUntil(
    self.registration.showNotification(notice.title ?? '', { ...told, requireInteraction: Boolean(notice.urgent) }),
  )
})

self.addEventListener('notificationclick', (event) => {
  event.notification.close()
  event.waitUntil(open(event.notification.data?.link))
})

/** The page that is open already comes to the front; otherwise a new one. */
async function open(link) {
  const address = new URL(link || '/desk', self.location.origin)
  if (address.origin !== self.location.origin) return
  const pages = await self.clients.matchAll({ type: 'window' })
  const page = pages.find((each) => new URL(each.url).pathname === address.pathname)
  await (page ? page.focus() : self.clients.openWindow(address.href))
}
