import { computed, onScopeDispose, ref, shallowRef } from 'vue'
import { useI18n } from 'vue-i18n'
import { useApi } from '@/kernel/api'
import { ApiError, NetworkError } from '@/kernel/errors'
import type { Page } from '@/kernel/page'
import type { Schema } from '@/kernel/wire'
import { NotStored, TillJournal } from './journal'
import { soundAsk, soundPaid, soundRefused } from './sound'
import { GUESTS } from './types'
import type { GuestAnswer, PendingSale, SaleAnswer, SaleBody, Signature, TakenPayment } from './types'

/**
 * ready: waiting for a code. paying: sent. retrying: no answer yet, the same sale is sent again.
 * paid, refused: the last result, until the next one. ask_repeat, ask_void: Enter or Esc.
 * guest_wait: a guest's own app waits for its owner; Esc takes it back.
 */
export type TillPhase =
  'ready' | 'paying' | 'retrying' | 'paid' | 'refused' | 'ask_repeat' | 'ask_void' | 'voided' | 'guest_wait'

/** What stands on the screen as paid: this till's own answer, or what a phone paid at the printed code. */
export interface PaidShown {
  id: string
  amount_fen: number
  legs: { purse: string; amount_fen: number }[]
  payer_label: string | null
}

export interface TillRefusal {
  code: string
  sentence: string
  requestId: string | null
}

/** Whoever signs may try again, or somebody else may. */
const SIGNATURE_ERRORS = new Set([
  'TILL_PIN_WRONG',
  'TILL_PIN_LOCKED',
  'TILL_PIN_MISSING',
  'TILL_PIN_NEEDED',
  'SUPERVISOR_NEEDED',
  'FORBIDDEN',
])
const GUEST_TIMEOUT_MS = 20_000
const ERROR_RETRIES = 2
const GUEST_LOOK_MS = 2_000
const RETRY_WAITS_MS = [800, 1_500, 3_000, 5_000] as const

/** What the till's own sale came to stays readable for so long, whatever phones pay meanwhile. */
const OWN_RESULT_MS = 3_000

/** What the screen around it knows. */
interface TillSurroundings {
  reconfigure: () => Promise<void>
  /** A sale of this till's own is paid: what was entered for it is done with. */
  sold: () => void
  /** Somebody is entering the next sale. */
  entering: () => boolean
}

/** One sale after another at one till. */
export function useTill(terminalId: string, { reconfigure, sold, entering }: TillSurroundings) {
  const api = useApi()
  const { t, locale } = useI18n()
  const journal = new TillJournal(terminalId)
  const phase = ref<TillPhase>('ready')
  const answer = shallowRef<PaidShown | null>(null)
  const refusal = shallowRef<TillRefusal | null>(null)
  const taken = shallowRef<TakenPayment[]>(journal.taken)
  const toVoid = shallowRef<TakenPayment | null>(null)
  const guest = shallowRef<GuestAnswer | null>(null)
  let look: ReturnType<typeof setTimeout> | undefined
  let ownResultAt = 0
  const busy = computed(() => ['paying', 'retrying', 'guest_wait'].includes(phase.value))
  const english = computed(() => locale.value === 'en')
  let gone = false
  onScopeDispose(() => {
    gone = true
    clearTimeout(look)
  })

  async function pay(body: Omit<SaleBody, 'seq'>): Promise<void> {
    if (!busy.value) await send(() => journal.begin(body))
  }

  async function payGuest(authCode: string, amountFen: number): Promise<void> {
    if (!busy.value) await send(() => journal.begin({ auth_code: authCode, amount_fen: amountFen }, GUESTS))
  }

  async function send(begin: () => PendingSale): Promise<void> {
    try {
      await settle(begin())
    } catch (error) {
      if (error instanceof NotStored) refuse({ code: '', sentence: t('payments.till.notStored'), requestId: null })
      else throw error
    }
  }

  /** Sends one sale until there is an answer: the key stays, so it is taken once at most. */
  async function settle(first: PendingSale): Promise<void> {
    let sale = first
    phase.value = 'paying'
    for (let attempt = 0; !gone; attempt += 1) {
      try {
        const sent = { idempotencyKey: sale.key, timeoutMs: sale.path ? GUEST_TIMEOUT_MS : 8_000 }
        if (sale.path) hearGuest(await api.post<GuestAnswer>(sale.path, sale.body, sent))
        else succeed(await api.post<SaleAnswer>('/v1/payments', sale.body, sent))
        return
      } catch (error) {
        if (!(error instanceof ApiError) && !(error instanceof NetworkError)) throw error
        if (error instanceof ApiError && !undecided(error, attempt)) {
          const renumbered = await decline(error, sale)
          if (!renumbered) return
          sale = renumbered
          continue
        }
        phase.value = 'retrying'
        await wait(waitMs(error, attempt))
      }
    }
  }

  /** A refusal that stands, a question, or a number used before: then the same sale under the next number. */
  async function decline(error: ApiError, sale: PendingSale): Promise<PendingSale | null> {
    if (error.code === 'CONFIRM_REPEAT') {
      phase.value = 'ask_repeat'
      soundAsk()
      return null
    }
    journal.finish()
    if (error.code === 'SEQ_REUSED') {
      await reconfigure()
      return journal.begin(sale.body, sale.path)
    }
    refuse({ code: error.code, sentence: error.message, requestId: error.requestId })
    return null
  }

  function succeed(payment: SaleAnswer): void {
    journal.finish()
    journal.remember({
      id: payment.id,
      amount_fen: payment.amount_fen,
      happened_at: payment.happened_at,
      voided: false,
    })
    taken.value = journal.taken
    showSold({ ...payment, payer_label: null })
  }

  function showSold(paid: PaidShown): void {
    answer.value = paid
    refusal.value = null
    phase.value = 'paid'
    ownResultAt = Date.now()
    sold()
    soundPaid(paid.amount_fen, english.value)
  }

  /** Where a guest's payment stands; asked for again while it is pending. It stays written down until it has ended. */
  function hearGuest(told: GuestAnswer): void {
    clearTimeout(look)
    guest.value = told
    if (told.status === 'pending') {
      phase.value = 'guest_wait'
      look = setTimeout(() => void lookAtGuest(told.id), GUEST_LOOK_MS)
      return
    }
    journal.finish()
    if (told.status !== 'succeeded') {
      refuse({ code: '', sentence: t(`payments.till.guest.${told.status}`), requestId: null })
      return
    }
    const { id, amount_fen, happened_at } = told
    journal.remember({ id, amount_fen, happened_at, voided: false })
    taken.value = journal.taken
    const legs = [{ purse: told.channel, amount_fen: told.amount_fen }]
    showSold({ id: told.id, amount_fen: told.amount_fen, legs, payer_label: null })
  }

  async function lookAtGuest(id: string): Promise<void> {
    if (gone || phase.value !== 'guest_wait') return
    try {
      hearGuest(await api.get<GuestAnswer>(`${GUESTS}/${id}`))
    } catch (error) {
      if (!(error instanceof ApiError) && !(error instanceof NetworkError)) throw error
      look = setTimeout(() => void lookAtGuest(id), GUEST_LOOK_MS)
    }
  }

  /** Told over the line, sooner than the next look. */
  function hearOfGuest(id: string): void {
    if (guest.value?.id === id) void lookAtGuest(id)
  }

  async function cancelGuest(): Promise<void> {
    const told = guest.value
    if (phase.value !== 'guest_wait' || !told?.can_cancel) return
    try {
      hearGuest(await api.post<GuestAnswer>(`${GUESTS}/${told.id}/cancel`))
    } catch (error) {
      // Paid in this very moment, or no network: the next look tells.
      if (!(error instanceof ApiError) && !(error instanceof NetworkError)) throw error
      await lookAtGuest(told.id)
    }
  }

  function refuse(why: TillRefusal): void {
    refusal.value = why
    answer.value = null
    phase.value = 'refused'
    ownResultAt = Date.now()
    soundRefused(why.sentence, english.value)
  }

  async function repeat(): Promise<void> {
    const sale = journal.confirmRepeat()
    if (sale) await settle(sale)
  }

  /** Esc: the question is answered with no, or the last result is put away. */
  function dismiss(): void {
    if (busy.value) return
    if (phase.value === 'ask_repeat') journal.finish()
    toVoid.value = null
    phase.value = 'ready'
  }

  function askVoid(payment: TakenPayment): void {
    if (busy.value) return
    toVoid.value = payment
    phase.value = 'ask_void'
    soundAsk()
  }

  async function sendVoid(payment: TakenPayment, signature: Signature | Record<string, never>): Promise<void> {
    const where = payment.id.startsWith('gst_') ? GUESTS : '/v1/payments'
    await api.post(`${where}/${payment.id}/void`, signature, { idempotencyKey: journal.voidKey(payment.id) })
    journal.markVoided(payment.id)
    taken.value = journal.taken
    toVoid.value = payment
    phase.value = 'voided'
  }

  /** A void within a shift: whoever signs has answered the question already. A wrong PIN is asked for again. */
  async function voidSigned(payment: TakenPayment, signature: Signature): Promise<ApiError | NetworkError | null> {
    try {
      await sendVoid(payment, signature)
    } catch (error) {
      if (!(error instanceof ApiError) && !(error instanceof NetworkError)) throw error
      if (error instanceof NetworkError || SIGNATURE_ERRORS.has(error.code)) return error
      refuse({ code: error.code, sentence: error.message, requestId: error.requestId })
    }
    return null
  }

  async function voidPayment(): Promise<void> {
    const payment = toVoid.value
    if (!payment) return
    phase.value = 'paying'
    try {
      await sendVoid(payment, {})
    } catch (error) {
      const known = error instanceof ApiError
      const sentence = known ? error.message : t('payments.till.offline')
      refuse({ code: known ? error.code : '', sentence, requestId: known ? error.requestId : null })
    }
  }

  /** After a reload: what was on its way is asked for again before anything else, then what was missed. */
  function resume(): void {
    if (journal.pending) void settle(journal.pending)
    void catchUp()
  }

  /** The list is a help, not the books: without an answer it says what this page has seen itself. */
  async function catchUp(): Promise<void> {
    const told = await api.get<Page<Schema<'PaymentView'>>>('/v1/terminals/me/payments').catch(() => null)
    if (!told || gone) return
    journal.catchUp(told.data.map(takenFrom))
    taken.value = journal.taken
  }

  /**
   * Paid from a phone at the printed code: listed and spoken at once. It takes the screen only from nobody: neither from
   * a sale that is under way or being entered, nor from a result that the cashier has hardly read.
   */
  function hearPaid(payment: TakenPayment, payerLabel: string): void {
    journal.remember(payment)
    taken.value = journal.taken
    soundPaid(payment.amount_fen, english.value)
    if (busy.value || phase.value === 'ask_repeat' || phase.value === 'ask_void') return
    if (entering() || Date.now() - ownResultAt < OWN_RESULT_MS) return
    answer.value = { id: payment.id, amount_fen: payment.amount_fen, legs: [], payer_label: payerLabel }
    refusal.value = null
    phase.value = 'paid'
  }

  /** Voided elsewhere, told over the line. */
  function hearVoided(id: string, voided = true): void {
    journal.markVoided(id, voided)
    taken.value = journal.taken
  }

  function agree(epoch: number, nextSeq: number): void {
    journal.agree(epoch, nextSeq)
  }

  return {
    phase,
    answer,
    refusal,
    taken,
    toVoid,
    busy,
    pay,
    guest,
    payGuest,
    cancelGuest,
    hearOfGuest,
    repeat,
    dismiss,
    askVoid,
    voidPayment,
    voidSigned,
    resume,
    hearPaid,
    hearVoided,
    refuse,
    agree,
  }
}

function takenFrom(payment: Schema<'PaymentView'>): TakenPayment {
  return {
    id: payment.id,
    amount_fen: payment.amount_fen,
    happened_at: payment.happened_at,
    voided: payment.status === 'voided',
    by_wall_code: payment.credential === 'wall_code',
  }
}

/** No decision fell, or none that we know of: the same sale may be sent again. A 500 that stays is told. */
function undecided(error: ApiError, attempt: number): boolean {
  return error.retryable || (error.status === 500 && attempt < ERROR_RETRIES)
}

function waitMs(error: Error, attempt: number): number {
  if (error instanceof ApiError && error.retryAfterS) return error.retryAfterS * 1000
  return RETRY_WAITS_MS[Math.min(attempt, RETRY_WAITS_MS.length - 1)] ?? 5_000
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
