/*
 * Runs inside index.html before anything else is fetched (scripts/firstPaint.ts puts it there): the phone page is opened in
 * a queue, on a slow line, by a slow phone. It asks for the first code at once, fetches the page's parts all together, and
 * holds out a code before the framework is there: the last one where it still pays, the fresh one when it comes, the
 * voucher where there is no network. The page takes over the answer (earlyCode.ts) and the place on the screen.
 */
import tokens from '@/kernel/tokens.css?inline'
import { darkDevice, isNightFor, keptLocale, keptTextSize, keptTheme } from '@/kernel/preferences'
import { sessionKey, shelfOf, type Shelf } from '@/kernel/shelf'
import { readStored } from '@/kernel/storage'
import type { Schema } from '@/kernel/wire'
import type { Arrived, Early } from '../earlyCode'
import { keepCode, keptCode, keptVoucher, PATIENCE_MS, usableVoucher } from '../heldOut'
import type { PayCode } from '../types'
import { EarlyCard } from './card'
import { made } from './made'
import styles from './early.css?inline'

const SCREEN = 'phone'
/** In a tab that nobody looks at, no frame ever comes. */
const FRAME_MAX_MS = 200

// The build puts the names in; while developing, index.html names its script itself.
const PARTS = '%ENTRY_PARTS%'
const PHONE_PARTS = location.pathname === '/' ? '%PHONE_PARTS%' : ''

try {
  if (location.pathname === '/') begin()
} finally {
  // What can be held out at once is painted before the parts of the page keep the processor busy.
  if (window.earlyCode?.shown) void painted().then(fetchPage)
  else void fetchPage()
}

function begin(): void {
  const session = readStored<Schema<'SignedIn'>>(sessionKey(SCREEN))
  if (!session?.token || !session.person) return
  const { token, person } = session
  const shelf = shelfOf(SCREEN, person.id)
  let card: EarlyCard | null = null
  const early: Early = {
    token,
    askedAt: Date.now(),
    answer: ask(token, shelf, () => card?.clear()),
    shown: null,
    settled: Promise.resolve(),
  }
  window.earlyCode = early
  window.leaveEarly = () => card?.remove()
  const asked = new URLSearchParams(location.search)
  if (asked.has('tab') || asked.has('payment')) return
  card = openCard(person.name)
  early.settled = Promise.race([holdOut(early, card, shelf), after(PATIENCE_MS)])
}

/** The fresh code, kept as soon as it is here; null for whatever else the server says, which the page asks again. */
async function ask(token: string, shelf: Shelf, refused: () => void): Promise<Arrived | null> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` }
  try {
    const response = await fetch('/v1/me/pay_codes', { method: 'POST', headers, body: '{}', credentials: 'omit' })
    if (response.ok) {
      const arrived = { code: (await response.json()) as PayCode, at: Date.now() }
      keepCode(shelf, arrived.code, arrived.at)
      return arrived
    }
    if (response.status < 500 && response.status !== 429) refused()
  } catch {
    // No network: the page will say so, and a voucher is held out meanwhile.
  }
  return null
}

/** Holds out what there is, in the order of what pays best; done when it is painted, or when there is nothing. */
async function holdOut(early: Early, card: EarlyCard, shelf: Shelf): Promise<void> {
  const last = keptCode(shelf)
  const voucher = () => {
    const kept = usableVoucher(keptVoucher(shelf), Date.now())
    if (!kept || early.shown) return
    card.showVoucher(kept)
    early.shown = 'voucher'
  }
  if (last) {
    card.showCode({ code: last.value, at: last.at })
    early.shown = 'code'
  } else if (!navigator.onLine) {
    voucher()
  }
  const fresh = early.answer.then((arrived) => {
    if (!arrived) return voucher()
    card.showCode(arrived)
    early.shown = 'code'
  })
  if (!early.shown) await Promise.race([fresh, after(PATIENCE_MS).then(voucher)])
  if (early.shown) await painted()
}

function openCard(holder: string): EarlyCard {
  const page = document.documentElement
  page.dataset.theme = isNightFor(keptTheme(), darkDevice.matches) ? 'night' : 'light'
  page.dataset.text = keptTextSize()
  page.lang = keptLocale()
  const sheet = made('style')
  sheet.textContent = tokens + styles
  document.head.append(sheet)
  return new EarlyCard(holder, keptLocale())
}

/** All parts at once: each would otherwise be found only when the one before it has arrived. */
async function fetchPage(): Promise<void> {
  const names = [...new Set(`${PARTS} ${PHONE_PARTS}`.split(' ').filter((name) => name.startsWith('/')))]
  const scripts = names.filter((name) => !name.endsWith('.css'))
  for (const href of scripts) document.head.append(Object.assign(made('link'), { rel: 'modulepreload', href }))
  // Never drawn without its style.
  await Promise.all(names.filter((name) => name.endsWith('.css')).map(styled))
  const entry = scripts[0]
  if (entry) document.head.append(Object.assign(made('script'), { type: 'module', src: entry }))
}

function styled(href: string): Promise<unknown> {
  return new Promise((resolve) => {
    document.head.append(Object.assign(made('link'), { rel: 'stylesheet', href, onload: resolve, onerror: resolve }))
  })
}

function painted(): Promise<unknown> {
  const frames = new Promise((resolve) => {
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve)))
  })
  return Promise.race([frames, after(FRAME_MAX_MS)])
}

function after(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
