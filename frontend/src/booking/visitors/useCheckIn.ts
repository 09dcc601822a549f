import { computed, onScopeDispose, ref, shallowRef, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { useApi } from '@/kernel/api'
import { ApiError } from '@/kernel/errors'
import { useShelf } from '@/kernel/kept'
import type { Loading } from '@/kernel/load'
import { clockTime } from '@/kernel/time'
import { newRequestId } from '../bookingApi'
import type { Booking } from '../types'
import { attendeeCodeIn, isSigned, type AttendeeCode } from './attendeeCode'
import { ScanQueue, UPLOAD_MAX, type Scan } from './scanQueue'
import type { ScanPack, ScanResult } from './types'

/** What stands large on the screen: passed, passed before, refused, or kept for when there is a network. */
export interface Answer {
  kind: 'counted' | 'repeated' | 'refused' | 'kept'
  name: string
  words: string
}

const SYNC_EVERY_MS = 5_000

/** One meeting's check-in on one device: asks the server, or, without it, its own list; never loses a scan. */
export function useCheckIn(meeting: string, line: Ref<string>, pack: Loading<ScanPack>) {
  const { t, locale } = useI18n()
  const api = useApi()
  const queue = new ScanQueue(useShelf(), meeting)
  const answer = shallowRef<Answer | null>(null)
  const waiting = ref(queue.waiting().length)
  const busy = ref(false)
  const counted = ref(0)

  async function take(text: string): Promise<void> {
    if (busy.value) return
    busy.value = true
    try {
      const code = attendeeCodeIn(text)
      answer.value = code ? await guest(code) : await booking(text)
      if (answer.value.kind === 'counted' || answer.value.kind === 'kept') counted.value += 1
    } finally {
      busy.value = false
    }
  }

  async function guest(code: AttendeeCode): Promise<Answer> {
    const scan: Scan = {
      code: code.text,
      line: line.value,
      nonce: newRequestId(),
      happened_at: new Date().toISOString(),
    }
    try {
      return fromServer(await upload([scan]))
    } catch (error) {
      if (error instanceof ApiError && !error.retryable) return { kind: 'refused', name: '', words: error.message }
      return await alone(code, scan)
    }
  }

  function fromServer([result]: ScanResult[]): Answer {
    const name = result?.guest_name ?? ''
    if (result?.outcome === 'counted') return { kind: 'counted', name, words: t('booking.checkIn.welcome') }
    if (result?.outcome === 'repeated') {
      const time = result.counted_at ? clockTime(result.counted_at, locale.value) : ''
      return { kind: 'repeated', name, words: t('booking.checkIn.before', { time }) }
    }
    return { kind: 'refused', name, words: t(`booking.checkIn.reason.${result?.reason ?? 'unknown_code'}`) }
  }

  /** Without a network: signed by the house, on the list, and not let through here already. */
  async function alone(code: AttendeeCode, scan: Scan): Promise<Answer> {
    const known = pack.data.value
    if (!known) return { kind: 'refused', name: '', words: t('booking.checkIn.noPack') }
    const person = known.guests.find((each) => each.id.endsWith(code.guest))
    if ((await isSigned(code, known.public_key)) === false || person?.issue !== code.issue) {
      return { kind: 'refused', name: person?.name ?? '', words: t('booking.checkIn.reason.unknown_code') }
    }
    if (queue.knows(code.text, scan.line)) {
      return { kind: 'repeated', name: person.name, words: t('booking.checkIn.beforeHere') }
    }
    queue.keep(scan)
    waiting.value = queue.waiting().length
    return { kind: 'kept', name: person.name, words: t('booking.checkIn.kept') }
  }

  async function booking(code: string): Promise<Answer> {
    try {
      const found = await api.post<Booking>('/v1/booking_check_ins', { code: code.trim() })
      return { kind: 'counted', name: found.title, words: t(`booking.state.${found.state}`) }
    } catch (error) {
      const words = error instanceof ApiError ? error.message : t('kernel.offline.hint')
      return { kind: 'refused', name: '', words }
    }
  }

  const upload = (scans: Scan[]) =>
    api.post<{ results: ScanResult[] }>(`/v1/meetings/${meeting}/scans`, { scans }).then(({ results }) => results)

  /** In the order in which they happened; what the server has answered, however, is over. */
  async function sync(): Promise<void> {
    const scans = queue.waiting().slice(0, UPLOAD_MAX)
    if (scans.length === 0 || busy.value) return
    try {
      queue.drop((await upload(scans)).map((result) => result.nonce))
    } catch {
      // They stay where they are, and are sent again.
    }
    waiting.value = queue.waiting().length
  }

  const syncNow = () => void sync()
  const timer = setInterval(syncNow, SYNC_EVERY_MS)
  window.addEventListener('online', syncNow)
  onScopeDispose(() => {
    clearInterval(timer)
    window.removeEventListener('online', syncNow)
  })
  void sync()
  return { answer, waiting, busy, counted: computed(() => counted.value), take }
}
