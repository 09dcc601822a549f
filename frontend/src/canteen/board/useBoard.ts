import { onScopeDispose, shallowRef } from 'vue'
import { useApi } from '@/kernel/api'
import { ApiError, NetworkError } from '@/kernel/errors'
import type { EventOf } from '@/kernel/wire'
import type { RealtimeBoard, RealtimeEvent } from '@/realtime/client'
import { useRealtime } from '@/realtime/useRealtime'
import type { BoardFrame, BoardPayment, BoardSnapshot, BoardTerminal, MinuteBin } from './types'

const LAST_KEPT = 12
const MINUTES_KEPT = 90
const QUIET_MS = 1_500
const RETRY_MS = 5_000
const TERMINALS_MS = 20_000

/**
 * The board of one canteen: a snapshot that names its position, then every later fact folded into it.
 * The aggregate frames come beside the facts and win, unless they are older than the last fact.
 */
export function useBoard(canteenId: string) {
  const api = useApi()
  const realtime = useRealtime()
  const board = shallowRef<BoardSnapshot | null>(null)
  const error = shallowRef<Error | null>(null)
  let stop: (() => void) | null = null
  let latest: BoardFrame | null = null
  let quiet: ReturnType<typeof setTimeout> | undefined

  async function load(): Promise<void> {
    try {
      const snapshot = await api.get<BoardSnapshot>(`/v1/canteens/${canteenId}/board`)
      board.value = snapshot
      error.value = null
      stop ??= realtime.subscribe(`canteen:${canteenId}`, listener, snapshot.position)
    } catch (caught) {
      error.value = caught as Error
    }
  }

  function onEvent(event: RealtimeEvent): void {
    const before = board.value
    if (!before || event.position <= before.position) return
    board.value = { ...fold(before, event), position: event.position }
    if (latest) restartQuiet()
  }

  /**
   * The sums are kept by the worker and may trail the facts by a moment. Sums that are ahead count at once;
   * sums that are behind count when no fact has come for a while, so that figures never jump back and forth.
   */
  function merge(frame: BoardFrame): void {
    latest = frame
    if (board.value && frame.count >= board.value.count) settle()
    else restartQuiet()
  }

  function settle(): void {
    if (board.value && latest) board.value = mergeFrame(board.value, latest)
    latest = null
  }

  function restartQuiet(): void {
    clearTimeout(quiet)
    quiet = setTimeout(settle, QUIET_MS)
  }

  const listener = {
    onEvent,
    onBoard: (frame: RealtimeBoard) => merge(frame.data as unknown as BoardFrame),
    onResync: () => void load(),
  }
  /** A till's silence is no event: how the tills are is asked for again and again. */
  async function refreshTerminals(): Promise<void> {
    if (!board.value || document.hidden) return
    try {
      const { terminals } = await api.get<BoardSnapshot>(`/v1/canteens/${canteenId}/board`)
      board.value = { ...board.value, terminals }
    } catch (caught) {
      if (!(caught instanceof ApiError) && !(caught instanceof NetworkError)) throw caught
    }
  }

  const retry = setInterval(() => {
    if (error.value) void load()
  }, RETRY_MS)
  const refresh = setInterval(() => void refreshTerminals(), TERMINALS_MS)
  onScopeDispose(() => {
    stop?.()
    clearInterval(retry)
    clearInterval(refresh)
    clearTimeout(quiet)
  })
  void load()
  return { board, error, reload: load, status: realtime.status, heardAt: realtime.heardAt }
}

/** A frame replaces the day's sums and the minutes it carries; the other minutes stay. */
export function mergeFrame(board: BoardSnapshot, frame: BoardFrame): BoardSnapshot {
  const told = new Map(frame.per_minute.map((bin) => [minuteOf(bin.minute), bin]))
  const kept = board.per_minute.filter((bin) => !told.has(minuteOf(bin.minute)))
  const perMinute = [...kept, ...frame.per_minute].sort((a, b) => minuteOf(a.minute).localeCompare(minuteOf(b.minute)))
  return {
    ...board,
    business_date: frame.business_date,
    takings_fen: frame.takings_fen,
    count: frame.count,
    per_minute: perMinute,
  }
}

/** What this channel is told of any of its facts: persons masked, fields by the kind of fact. */
type Fact = Partial<
  Pick<
    EventOf<'payment.succeeded'>,
    'payment' | 'payer_label' | 'amount_fen' | 'business_date' | 'credential' | 'far_m'
  >
> &
  Partial<Pick<EventOf<'terminal.changed'>, 'terminal' | 'name' | 'status'>>

/** One fact folded in. */
export function fold(board: BoardSnapshot, event: RealtimeEvent): BoardSnapshot {
  const fact = event.data as Fact
  switch (event.type) {
    case 'payment.succeeded':
      return addPayment(startDay(board, fact), paymentOf(fact, event.happened_at))
    case 'payment.voided':
      return takeBack(board, fact, 'voided', 1)
    case 'payment.refunded':
      return takeBack(board, fact, 'partially_refunded', 0)
    case 'terminal.changed':
      return { ...board, terminals: board.terminals.map((each) => changeTerminal(each, fact)) }
    default:
      return board
  }
}

/** The first sale of a new business day starts the figures afresh. */
function startDay(board: BoardSnapshot, fact: Fact): BoardSnapshot {
  if (!fact.business_date || fact.business_date <= board.business_date) return board
  return { ...board, business_date: fact.business_date, takings_fen: 0, count: 0 }
}

function paymentOf(fact: Fact, happenedAt: string): BoardPayment {
  return {
    payment: fact.payment ?? '',
    payer_label: fact.payer_label ?? '',
    amount_fen: fact.amount_fen ?? 0,
    happened_at: happenedAt,
    status: 'succeeded',
    terminal: fact.terminal ?? null,
    credential: fact.credential ?? 'pay_code',
    far_m: fact.far_m ?? null,
  }
}

function takeBack(board: BoardSnapshot, fact: Fact, status: string, count: number): BoardSnapshot {
  const today = !fact.business_date || fact.business_date === board.business_date
  return {
    ...board,
    takings_fen: board.takings_fen - (today ? (fact.amount_fen ?? 0) : 0),
    count: board.count - (today ? count : 0),
    last_payments: board.last_payments.map((each) => (each.payment === fact.payment ? { ...each, status } : each)),
  }
}

function changeTerminal(terminal: BoardTerminal, fact: Fact): BoardTerminal {
  if (terminal.id !== fact.terminal) return terminal
  return { ...terminal, name: fact.name ?? terminal.name, status: fact.status ?? terminal.status }
}

function addPayment(board: BoardSnapshot, payment: BoardPayment): BoardSnapshot {
  return {
    ...board,
    takings_fen: board.takings_fen + payment.amount_fen,
    count: board.count + 1,
    per_minute: countMinute(board.per_minute, payment),
    last_payments: keepLast(board.last_payments, payment),
  }
}

function keepLast(list: BoardPayment[], payment: BoardPayment): BoardPayment[] {
  return [payment, ...list].slice(0, LAST_KEPT)
}

function countMinute(bins: MinuteBin[], payment: BoardPayment): MinuteBin[] {
  const minute = minuteOf(payment.happened_at)
  const at = bins.findIndex((bin) => minuteOf(bin.minute) === minute)
  if (at < 0) return [...bins, { minute, count: 1, amount_fen: payment.amount_fen }].slice(-MINUTES_KEPT)
  return bins.map((bin, index) =>
    index === at ? { ...bin, count: bin.count + 1, amount_fen: bin.amount_fen + payment.amount_fen } : bin,
  )
}

/** A moment cut to its minute, in one spelling, so that minutes compare as text. */
export function minuteOf(at: string | number): string {
  return new Date(Math.floor(new Date(at).getTime() / 60_000) * 60_000).toISOString()
}

/** The last `length` minutes up to now, empty ones included: a gap in the queue is what a manager looks for. */
export function lastMinutes(bins: MinuteBin[], nowMs: number, length = 60): MinuteBin[] {
  const known = new Map(bins.map((bin) => [minuteOf(bin.minute), bin]))
  return Array.from({ length }, (_, index) => {
    const minute = minuteOf(nowMs - (length - 1 - index) * 60_000)
    return known.get(minute) ?? { minute, count: 0, amount_fen: 0 }
  })
}
