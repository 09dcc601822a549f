/*
 * Opens the phone page without a network. It keeps the files of one build, and nothing that the server ever answers: money
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
