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
import { keepCode, keptCode, keptVoucher, PATIENCE_MS, usableVoucher, type KeptVoucher } from '../heldOut'
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
  const shelf = shelfOf(SCREEN, session.person.id)
  const elsewhere = /[?&](tab|payment)=/.test(location.search)
  const kept = elsewhere ? null : keptNow(shelf)
  const early: Early = {
    token: session.token,
    askedAt: Date.now(),
    answer: Promise.resolve(null),
    shown: null,
    settled: Promise.resolve(),
  }
  window.earlyCode = early
  if (!kept) early.answer = ask(early, shelf)
  if (elsewhere) return
  const card = openCard(session.person.name)
  window.leaveEarly = () => card.remove()
  if (kept) {
    hold(early, card, kept)
    // Only now: to ask takes a slow phone as long as to draw.
    early.answer = ask(early, shelf)
  }
  early.settled = Promise.race([holdOut(early, card, shelf), after(PATIENCE_MS)])
}

/** The fresh code, kept as soon as it is here; null for whatever else the server says, which the page asks again. */
async function ask(early: Early, shelf: Shelf): Promise<Arrived | null> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${early.token}` }
  try {
    const response = await fetch('/v1/me/pay_codes', { method: 'POST', headers, body: '{}', credentials: 'omit' })
    if (response.ok) {
      const arrived = { code: (await response.json()) as PayCode, at: Date.now() }
      keepCode(shelf, arrived.code, arrived.at)
      return arrived
    }
    early.refused = response.status < 500 && response.status !== 429
  } catch {
    // No network: the page will say so, and a voucher is held out meanwhile.
  }
  return null
}

type HeldOut = { code: Arrived } | { voucher: KeptVoucher }

/** What can be held out without asking: the last code, and the voucher where the device itself knows of no network. */
function keptNow(shelf: Shelf): HeldOut | null {
  const last = keptCode(shelf)
  if (last) return { code: { code: last.value, at: last.at } }
  return navigator.onLine ? null : keptVoucherNow(shelf)
}

function keptVoucherNow(shelf: Shelf): HeldOut | null {
  const voucher = usableVoucher(keptVoucher(shelf), Date.now())
  return voucher && { voucher }
}

function hold(early: Early, card: EarlyCard, what: HeldOut | null): void {
  // The page may have taken the place meanwhile.
  if (!what || !card.stands) return
  if ('code' in what) card.showCode(what.code)
  else card.showVoucher(what.voucher)
  early.shown = 'code' in what ? 'code' : 'voucher'
}

/** The fresh code in the place of whatever is there; a voucher where none comes. Done when something is painted. */
async function holdOut(early: Early, card: EarlyCard, shelf: Shelf): Promise<void> {
  const instead = () => {
    if (!early.shown && !early.refused) hold(early, card, keptVoucherNow(shelf))
  }
  const fresh = early.answer.then((arrived) => {
    if (arrived) hold(early, card, { code: arrived })
    // Lost, frozen, signed out: what is kept pays no more either, and the page will say why.
    else if (early.refused) card.clear()
    else instead()
  })
  if (!early.shown) await Promise.race([fresh, after(PATIENCE_MS).then(instead)])
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
