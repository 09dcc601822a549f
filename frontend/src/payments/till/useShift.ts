import { computed, onScopeDispose, ref, shallowRef } from 'vue'
import { useI18n } from 'vue-i18n'
import { useApi } from '@/kernel/api'
import { ApiError, NetworkError } from '@/kernel/errors'
import { useLoad } from '@/kernel/load'
import type { Page } from '@/kernel/page'
import type { Schema } from '@/kernel/wire'
import { soundAsk, soundRefused } from './sound'
import type { Signature, TakenPayment, TillConfiguration } from './types'

export type TillWorker = Schema<'TillWorkerView'>
export type ShiftLine = Schema<'ShiftLine'>

/** What a PIN is asked for. `who`: anybody of the counter, this shift's cashier, or a supervisor. */
export interface PinQuestion {
  purpose: 'open' | 'hand_over' | 'void'
  who: 'worker' | 'cashier' | 'supervisor'
  person: string | null
  payment: TakenPayment | null
}

const LOOK_FOR_PIN_MS = 3_000

/** A void that somebody has signed for; resolves to the error that stands, or null. */
type VoidSigned = (payment: TakenPayment, signature: Signature) => Promise<ApiError | NetworkError | null>

/** The cashier's shift at this till: opened and handed over with a PIN, and who signs for what is given back. */
export function useShift(configuration: () => TillConfiguration, reload: () => Promise<void>, voidSigned: VoidSigned) {
  const api = useApi()
  const { t, locale } = useI18n()
  const shift = computed(() => configuration().shift)
  const question = ref<PinQuestion | null>(null)
  const everybody = shallowRef<TillWorker[] | null>(null)
  const failure = ref('')
  const busy = ref(false)
  const printing = ref(false)
  const printFailure = ref('')
  /** The sheet on the screen: of the open shift, or of the one that was just handed over. */
  const sheetOf = ref<string | null>(null)
  const sheet = useLoad((signal) => api.get<Schema<'ShiftView'>>(`/v1/shifts/${sheetOf.value}`, {}, signal), {
    immediate: false,
  })
  const demoPins = ref<Record<string, string>>({})
  let gone = false
  onScopeDispose(() => {
    gone = true
  })

  const workers = computed(() => {
    const all = everybody.value
    if (!all || !question.value) return null
    if (question.value.who === 'worker') return all
    const cashier = shift.value?.cashier
    return all.filter((each) => (each.person === cashier ? question.value?.who === 'cashier' : each.is_supervisor))
  })
  const demoHint = computed(() => {
    const name = everybody.value?.find((each) => each.person === question.value?.person)?.name
    const pin = name ? demoPins.value[name] : undefined
    return pin ? t('payments.till.shift.demoPin', { pin }) : ''
  })

  function ask(purpose: PinQuestion['purpose'], who: PinQuestion['who'], payment: TakenPayment | null = null): void {
    sheetOf.value = null
    failure.value = ''
    const cashier = who === 'cashier' ? (shift.value?.cashier ?? null) : null
    question.value = { purpose, who, person: cashier, payment }
    soundAsk()
    void readWorkers()
  }

  function askOpen(): void {
    ask('open', 'worker')
  }

  function askHandOver(): void {
    ask('hand_over', 'cashier')
  }

  /** In a shift a void is signed for; false where no shift is open, and a plain question will do. */
  function askVoid(payment: TakenPayment): boolean {
    if (!shift.value) return false
    ask('void', shift.value.return_count > 0 ? 'supervisor' : 'cashier', payment)
    return true
  }

  /** Somebody sets their first PIN on the phone meanwhile: seen without a touch. */
  const watching = setInterval(() => {
    if (question.value && everybody.value?.some((each) => each.person === question.value?.person && !each.has_pin))
      void readWorkers()
  }, LOOK_FOR_PIN_MS)
  onScopeDispose(() => clearInterval(watching))

  async function readWorkers(): Promise<void> {
    try {
      everybody.value = (await api.get<Page<TillWorker>>('/v1/terminals/me/cashiers')).data
      chooseOnlyOne()
    } catch (error) {
      failure.value = sentenceOf(error)
    }
    await readDemoPins()
  }

  function chooseOnlyOne(): void {
    const able = workers.value?.filter((each) => each.has_pin) ?? []
    if (question.value && !question.value.person && able.length === 1) question.value.person = able[0]?.person ?? null
  }

  /** In production there are none. */
  async function readDemoPins(): Promise<void> {
    try {
      const logins = await api.get<{ data: { name: string; till_pin?: string }[] }>('/v1/demo_logins')
      demoPins.value = Object.fromEntries(
        logins.data.flatMap((each) => (each.till_pin ? [[each.name, each.till_pin]] : [])),
      )
    } catch {
      demoPins.value = {}
    }
  }

  function choose(person: string): void {
    if (question.value) question.value.person = person
    failure.value = ''
  }

  function close(): void {
    if (busy.value) return
    question.value = null
    sheetOf.value = null
  }

  /** Enter: the digits that were typed are the PIN. */
  async function sign(pin: string): Promise<void> {
    const asked = question.value
    if (!asked?.person || busy.value || !pin || !canSign(asked.person)) return
    busy.value = true
    failure.value = ''
    try {
      await act(asked, { person: asked.person, pin })
    } catch (error) {
      if (gone) return
      failure.value = sentenceOf(error)
      soundRefused(failure.value, locale.value === 'en')
      if (error instanceof ApiError && error.code === 'SUPERVISOR_NEEDED') {
        question.value = { ...asked, who: 'supervisor', person: null }
        chooseOnlyOne()
      }
    } finally {
      busy.value = false
    }
  }

  function canSign(person: string): boolean {
    return everybody.value?.find((each) => each.person === person)?.has_pin ?? true
  }

  async function act(asked: PinQuestion, signature: Required<Signature>): Promise<void> {
    if (asked.purpose === 'open') await api.post('/v1/terminals/me/shift', signature)
    else if (asked.purpose === 'hand_over') await handOver(signature)
    else if (asked.payment) {
      const error = await voidSigned(asked.payment, signature)
      if (error) throw error
    }
    // First what the shift says now: whoever takes back the next one is asked for by it.
    await reload()
    question.value = null
  }

  async function handOver(signature: Signature): Promise<void> {
    const ended = await api.post<Schema<'ShiftView'>>('/v1/terminals/me/shift/hand_over', signature)
    sheet.data.value = ended
    sheetOf.value = ended.id
  }

  function showSheet(): void {
    if (!shift.value) return
    sheet.data.value = null
    printFailure.value = ''
    sheetOf.value = shift.value.id
    void sheet.reload()
  }

  /** At the till's own printer where it has one; else the browser's. */
  async function print(): Promise<void> {
    if (!configuration().printer) {
      window.print()
      return
    }
    printing.value = true
    printFailure.value = ''
    try {
      await api.post(`/v1/shifts/${sheetOf.value}/sheet`)
    } catch (error) {
      printFailure.value = sentenceOf(error)
    } finally {
      printing.value = false
    }
  }

  function sentenceOf(error: unknown): string {
    if (error instanceof NetworkError) return t('payments.till.offline')
    return error instanceof ApiError ? error.message : t('kernel.error.unexpected')
  }

  return {
    shift,
    question,
    workers,
    demoHint,
    failure,
    busy,
    printing,
    printFailure,
    sheet,
    sheetOf,
    askOpen,
    askHandOver,
    askVoid,
    choose,
    close,
    sign,
    showSheet,
    print,
  }
}
