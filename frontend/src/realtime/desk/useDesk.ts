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
// What one commit tells arrives within this.
const TOGETHER_MS = 5

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
  let reading: Promise<void> | null = null
  let following: Promise<void> | null = null
  let stop: (() => void) | null = null
  const leaving = new AbortController()

  /**
   * The desk as it stands after this was asked. What is being read already may be older than that: one more look follows it, for
   * all who ask meanwhile. A look is never broken off by news, or a busy desk would show nothing until it is quiet.
   */
  function reload(): Promise<void> {
    if (!reading) {
      reading = read().finally(() => (reading = null))
      return reading
    }
    following ??= reading.then(() => {
      following = null
      return reload()
    })
    return following
  }

  async function read(): Promise<void> {
    try {
      // Before anything is heard, the position comes first: whatever the calls do not hold yet is then told. Later each event is
      // followed by a look, and who waits for a ring waits for one answer instead of two.
      const desked = getDesk(api, desk.id, leaving.signal)
      if (!stop) await desked
      const [snapshot, found] = await Promise.all([desked, getDeskCalls(api, desk, leaving.signal)])
      if (leaving.signal.aborted) return
      board.value = snapshot.board
      present.value = snapshot.present
      calls.value = found
      error.value = null
      unreachable.value = false
      listen(snapshot.position)
    } catch (caught) {
      if (leaving.signal.aborted) return
      error.value = caught instanceof Error ? caught : new Error(String(caught))
      unreachable.value = caught instanceof NetworkError
    }
  }

  /** Several events of one moment are one look; the first of them is not put off by the others. */
  function reloadSoon(): void {
    soon ??= setTimeout(() => {
      soon = undefined
      void reload()
    }, TOGETHER_MS)
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
    leaving.abort()
    stop?.()
    void tellPresence(api, desk.id, device, true).catch(() => undefined)
  })
  void reload()
  const stale = computed(() => unreachable.value || realtime.status.value === 'cut')
  return { calls, board, present, error, stale, waiting, taken, missed, news, reload }
}
