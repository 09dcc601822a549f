import { computed, onScopeDispose, ref, shallowRef, watch, type ComputedRef, type Ref, type ShallowRef } from 'vue'
import { useApi } from '@/kernel/api'
import { NetworkError } from '@/kernel/errors'
import { isWaiting } from '../calls/kinds'
import type { Call } from '../calls/types'
import { useRealtime } from '../useRealtime'
import { deviceName } from './device'
import { getDesk, getDeskCalls, tellPresence } from './deskApi'
import { useReceipts } from './receipts'
import type { Desk, DeskBoard, Present } from './types'

export interface DeskState {
  calls: ShallowRef<Call[] | null>
  board: ShallowRef<DeskBoard | null>
  present: ShallowRef<Present[]>
  error: ShallowRef<Error | null>
  stale: ComputedRef<boolean>
  /** Nobody has them yet, in the order in which to take them. */
  waiting: ComputedRef<Call[]>
  taken: ComputedRef<Call[]>
  missed: ComputedRef<Call[]>
  /** Counts the desk's news, for lists that look again. */
  news: Ref<number>
  reload: () => Promise<void>
}

const HOLD_EVERY_MS = 10_000
const LOOK_EVERY_MS = 5_000
const TOGETHER_MS = 30

/** One desk, live: snapshot first, then its channel from that position on; every ring that can be seen is told as shown. */
export function useDesk(desk: Desk): DeskState {
  const api = useApi()
  const realtime = useRealtime()
  const device = deviceName()
  const receive = useReceipts(api)
  const calls = shallowRef<Call[] | null>(null)
  const board = shallowRef<DeskBoard | null>(null)
  const present = shallowRef<Present[]>([])
  const error = shallowRef<Error | null>(null)
  const news = ref(0)
  const unreachable = ref(false)
  let soon: ReturnType<typeof setTimeout> | undefined
  let reading: AbortController | null = null
  let stop: (() => void) | null = null

  async function reload(): Promise<void> {
    reading?.abort()
    const mine = new AbortController()
    reading = mine
    try {
      const snapshot = await getDesk(api, desk.id, mine.signal)
      const found = await getDeskCalls(api, desk, mine.signal)
      if (reading !== mine) return
      board.value = snapshot.board
      present.value = snapshot.present
      calls.value = found
      error.value = null
      unreachable.value = false
      listen(snapshot.position)
    } catch (caught) {
      if (reading !== mine) return
      error.value = caught instanceof Error ? caught : new Error(String(caught))
      unreachable.value = caught instanceof NetworkError
    }
  }

  /** Several events of one moment are one look. */
  function reloadSoon(): void {
    clearTimeout(soon)
    soon = setTimeout(() => void reload(), TOGETHER_MS)
  }

  function listen(position: number): void {
    stop ??= realtime.subscribe(
      desk.channel,
      {
        onEvent: () => {
          news.value += 1
          reloadSoon()
        },
        onBoard: (frame) => {
          board.value = frame.data as unknown as DeskBoard
        },
        onResync: reloadSoon,
      },
      position,
    )
  }

  const rank = computed(() => new Map((board.value?.queue ?? []).map((each, index) => [each.call, index])))
  const waiting = computed(() =>
    (calls.value ?? [])
      .filter((call) => isWaiting(call.state))
      .toSorted(
        (a, b) =>
          (rank.value.get(a.id) ?? 999) - (rank.value.get(b.id) ?? 999) || a.placed_at.localeCompare(b.placed_at),
      ),
  )
  const taken = computed(() =>
    (calls.value ?? []).filter((call) => ['acknowledged', 'connected', 'on_site'].includes(call.state)),
  )
  const missed = computed(() => (calls.value ?? []).filter((call) => call.state === 'missed'))

  watch(waiting, (list) => {
    for (const call of list) if (call.state !== 'handed_over') receive(call.id, call.ring_round)
  })

  const hold = () => void tellPresence(api, desk.id, device).catch(() => undefined)
  hold()
  const holding = setInterval(hold, HOLD_EVERY_MS)
  // Where the line is down the desk asks by itself.
  const looking = setInterval(() => {
    if (realtime.status.value !== 'live' || error.value) void reload()
  }, LOOK_EVERY_MS)
  onScopeDispose(() => {
    clearInterval(holding)
    clearInterval(looking)
    clearTimeout(soon)
    reading?.abort()
    reading = null
    stop?.()
    void tellPresence(api, desk.id, device, true).catch(() => undefined)
  })
  void reload()
  const stale = computed(() => unreachable.value || realtime.status.value === 'cut')
  return { calls, board, present, error, stale, waiting, taken, missed, news, reload }
}
