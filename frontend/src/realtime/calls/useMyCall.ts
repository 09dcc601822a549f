import { computed, onScopeDispose, ref, shallowRef, watch, type ComputedRef, type Ref, type ShallowRef } from 'vue'
import { useApi } from '@/kernel/api'
import { ApiError, NetworkError } from '@/kernel/errors'
import { useShelf } from '@/kernel/kept'
import { useOnline } from '@/kernel/online'
import { useRealtime } from '../useRealtime'
import { findMyCall, getCall, placeCall, pullTrigger, type TriggerBody } from './callsApi'
import { sendMessage } from './chat'
import { isOpen } from './kinds'
import { newPress, PressQueue, type Press } from './pressQueue'
import type { Call, CallKind, CallTrigger, ChosenPlace } from './types'

export interface MyCall {
  /** The open one, or the last one for as long as it can be rated. */
  call: ShallowRef<Call | null>
  /** Whether this page saw it open: then its end is shown in its place, and not below the button. */
  followed: Ref<boolean>
  /** Not told to anybody yet. */
  waiting: ShallowRef<Press | null>
  busy: Ref<boolean>
  problem: Ref<string>
  /** Why it is not known whether a call is open; the button works all the same. */
  unknown: ShallowRef<Error | null>
  /** What is shown may be old: the line is down. */
  stale: ComputedRef<boolean>
  lastPlace: () => ChosenPlace | null
  press: (kind: CallKind, place: ChosenPlace | null, words: string, files: File[]) => Promise<void>
  pressAgain: () => Promise<void>
  sendNow: () => Promise<void>
  drop: () => void
  pull: (trigger: CallTrigger, body?: TriggerBody) => Promise<void>
  putAway: () => void
  reload: () => Promise<void>
}

const RETRY_MS = 3_000
const LOOK_EVERY_MS = 5_000
const PUT_AWAY = 'call.put_away'

/** The caller's own call: pressed, kept while there is no network, sent once, followed live, rated. */
export function useMyCall(): MyCall {
  const api = useApi()
  const shelf = useShelf()
  const realtime = useRealtime()
  const online = useOnline()
  const queue = new PressQueue(shelf)
  const call = shallowRef<Call | null>(null)
  const waiting = shallowRef<Press | null>(queue.waiting())
  const followed = ref(false)
  const busy = ref(false)
  const problem = ref('')
  const unknown = shallowRef<Error | null>(null)
  const unreachable = ref(false)
  /** Photos and voices go after the call, so that no slow upload stands before help. */
  let attachments: { words: string; files: File[] } | null = null
  let retry: ReturnType<typeof setTimeout> | undefined

  const stale = computed(() => !online.value || unreachable.value || realtime.status.value === 'cut')

  function show(found: Call | null): void {
    const open = found !== null && isOpen(found.state)
    if (open) followed.value = true
    const isKept = found !== null && found.id !== shelf.read<string>(PUT_AWAY)?.value
    const isWanted = open || (isKept && (followed.value || found.allowed.includes('rate')))
    call.value = isWanted ? found : null
  }

  async function reload(): Promise<void> {
    try {
      const known = call.value
      show(known ? await getCall(api, known.id) : await findMyCall(api))
      unreachable.value = false
      unknown.value = null
    } catch (error) {
      unreachable.value = error instanceof NetworkError
      unknown.value = error instanceof Error ? error : new Error(String(error))
    }
  }

  async function press(kind: CallKind, place: ChosenPlace | null, words: string, files: File[]): Promise<void> {
    if (place) queue.rememberPlace(place)
    const mine = newPress(kind, place, words)
    queue.keep(mine)
    waiting.value = mine
    attachments = files.length > 0 ? { words: '', files } : null
    await sendNow()
  }

  async function sendNow(): Promise<void> {
    const mine = waiting.value
    if (!mine || busy.value) return
    clearTimeout(retry)
    busy.value = true
    problem.value = ''
    try {
      show(await placeCall(api, mine))
      settle()
      void sendAttachments()
    } catch (error) {
      const isOver =
        error instanceof ApiError && (!error.retryable || (call.value !== null && isOpen(call.value.state)))
      if (error instanceof ApiError) problem.value = error.message
      else if (!(error instanceof NetworkError)) problem.value = wordsOf(error)
      // What the server refuses it would refuse again; and an open call needs no second press that waits.
      if (isOver) settle()
      else retry = setTimeout(() => void sendNow(), Math.max(RETRY_MS, 1000 * waitOf(error)))
    } finally {
      busy.value = false
    }
  }

  function settle(): void {
    queue.clear()
    waiting.value = null
  }

  async function sendAttachments(): Promise<void> {
    const mine = attachments
    const id = call.value?.id
    if (!mine || !id) return
    attachments = null
    try {
      await sendMessage(api, id, mine.words, mine.files)
    } catch (error) {
      problem.value = wordsOf(error)
    }
  }

  async function pressAgain(): Promise<void> {
    const open = call.value
    if (open) await press(open.kind, null, '', [])
  }

  function drop(): void {
    clearTimeout(retry)
    attachments = null
    settle()
  }

  async function pull(trigger: CallTrigger, body: TriggerBody = {}): Promise<void> {
    const mine = call.value
    if (!mine) return
    busy.value = true
    problem.value = ''
    try {
      show(await pullTrigger(api, mine.id, trigger, body))
    } catch (error) {
      problem.value = wordsOf(error)
      await reload()
    } finally {
      busy.value = false
    }
  }

  function putAway(): void {
    if (call.value) shelf.write(PUT_AWAY, call.value.id)
    call.value = null
    followed.value = false
  }

  onScopeDispose(
    realtime.subscribe('me', { onEvent: (event) => heard(event.type, event.data), onResync: () => void reload() }),
  )
  function heard(type: string, data: Record<string, unknown>): void {
    if (type.startsWith('call.') && (call.value === null || data.call === call.value.id)) void reload()
  }

  // The call's own channel tells of screens and words, too.
  let stop: (() => void) | null = null
  watch(
    () => call.value?.id ?? null,
    (id) => {
      stop?.()
      stop = id
        ? realtime.subscribe(`call:${id}`, { onEvent: () => void reload(), onResync: () => void reload() })
        : null
    },
  )
  onScopeDispose(() => stop?.())

  // Where the line is down the page asks by itself; whoever needs help must not wait for a socket.
  const look = setInterval(() => {
    const open = call.value !== null && isOpen(call.value.state)
    if (open && realtime.status.value !== 'live') void reload()
  }, LOOK_EVERY_MS)
  watch(online, (now) => {
    if (now) void (waiting.value ? sendNow() : reload())
  })
  onScopeDispose(() => {
    clearInterval(look)
    clearTimeout(retry)
  })

  void reload()
  if (waiting.value) void sendNow()
  const lastPlace = () => queue.lastPlace()
  return {
    call,
    followed,
    waiting,
    busy,
    problem,
    stale,
    unknown,
    lastPlace,
    press,
    pressAgain,
    sendNow,
    drop,
    pull,
    putAway,
    reload,
  }
}

function waitOf(error: unknown): number {
  return error instanceof ApiError ? (error.retryAfterS ?? 0) : 0
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
