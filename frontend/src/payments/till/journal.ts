import { newIdempotencyKey } from '@/kernel/api'
import { readStored, writeStored } from '@/kernel/storage'
import type { GuestBody, PendingSale, SaleBody, TakenPayment } from './types'

interface JournalState {
  epoch: number
  nextSeq: number
  pending: PendingSale | null
  taken: TakenPayment[]
  voidKeys: Record<string, string>
}

const TAKEN_KEPT = 20

/** The till could not write its number down, so it must not send. */
export class NotStored extends Error {}

/**
 * The till's own memory. A sale gets its sequence number and its key here, on disk, before it is sent;
 * after a lost answer or a reload the very same sale is sent again, so nobody pays twice.
 */
export class TillJournal {
  private state: JournalState
  private readonly key: string

  constructor(terminalId: string) {
    this.key = `guanjia.till.${terminalId}`
    this.state = readStored<JournalState>(this.key) ?? { epoch: -1, nextSeq: 1, pending: null, taken: [], voidKeys: {} }
  }

  get pending(): PendingSale | null {
    return this.state.pending
  }

  get taken(): TakenPayment[] {
    return this.state.taken
  }

  /** Learns from the server where its numbers stand; a new epoch starts afresh. */
  agree(epoch: number, nextSeq: number): void {
    const sameEpoch = this.state.epoch === epoch
    this.keep({ ...this.state, epoch, nextSeq: sameEpoch ? Math.max(this.state.nextSeq, nextSeq) : nextSeq })
  }

  /** Writes the sale down and gives it its number. */
  begin(body: Omit<SaleBody, 'seq'> | Omit<GuestBody, 'seq'>, path?: PendingSale['path']): PendingSale {
    const seq = this.state.nextSeq
    const pending: PendingSale = { key: newIdempotencyKey(), seq, body: { ...body, seq }, path }
    if (!this.keep({ ...this.state, pending, nextSeq: seq + 1 })) throw new NotStored()
    return pending
  }

  /** The cashier agreed to a repeat: the same sale, the same number and key, with the answer added. */
  confirmRepeat(): PendingSale | null {
    const { pending } = this.state
    if (!pending) return null
    const confirmed = { ...pending, body: { ...pending.body, confirm_repeat: true } }
    this.keep({ ...this.state, pending: confirmed })
    return confirmed
  }

  /** An answer came that ends the sale. */
  finish(): void {
    this.keep({ ...this.state, pending: null })
  }

  remember(payment: TakenPayment): void {
    if (this.state.taken.some((known) => known.id === payment.id)) return
    this.keep({ ...this.state, taken: [payment, ...this.state.taken].slice(0, TAKEN_KEPT) })
  }

  /** What the server knows of this till's last payments: taken while this page was closed, or before it was paired anew. */
  catchUp(told: TakenPayment[]): void {
    const all = new Map(told.map((payment) => [payment.id, payment]))
    for (const known of this.state.taken) {
      // Voided here a moment ago: the answer may be older than that.
      all.set(known.id, { ...known, voided: known.voided || (all.get(known.id)?.voided ?? false) })
    }
    const taken = [...all.values()].sort((one, other) => Date.parse(other.happened_at) - Date.parse(one.happened_at))
    this.keep({ ...this.state, taken: taken.slice(0, TAKEN_KEPT) })
  }

  markVoided(id: string, voided = true): void {
    const taken = this.state.taken.map((payment) => (payment.id === id ? { ...payment, voided } : payment))
    this.keep({ ...this.state, taken })
  }

  /** The key under which this payment's void is sent, however often it is tried. */
  voidKey(id: string): string {
    const known = this.state.voidKeys[id]
    if (known) return known
    const made = newIdempotencyKey()
    if (!this.keep({ ...this.state, voidKeys: { [id]: made } })) throw new NotStored()
    return made
  }

  private keep(state: JournalState): boolean {
    this.state = state
    return writeStored(this.key, state)
  }
}
