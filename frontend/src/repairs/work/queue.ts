import { ApiError, NetworkError } from '@/kernel/errors'
import type { WholeOrder } from '../types'
import type { Refusal, StepBody, StepResult, WorkStep } from './steps'
import type { StepStore } from './store'

export interface SyncAnswer {
  results: StepResult[]
  order: WholeOrder
}

/** The way to the server, as far as the queue needs it. */
export interface Sender {
  upload: (photo: Blob) => Promise<string>
  sync: (order: string, steps: object[]) => Promise<SyncAnswer>
}

export interface QueueListener {
  /** What waits has changed. */
  changed: (waiting: readonly WorkStep[], sending: boolean) => void
  /** The server's word on an order, after steps of it have arrived. */
  synced: (order: WholeOrder) => void
  refused: (refusals: Refusal[]) => void
}

export interface NewStep {
  order: string
  kind: WorkStep['kind']
  trigger?: string
  ordinal?: number
  /** The version of the order that the server gave last. */
  version: number
  body?: StepBody
  photos?: Blob[]
}

const AT_ONCE_MAX = 100

/**
 * Everything done on the spot goes through here: written down first, then sent, in the order in which it was done. Without a
 * network it waits; what is sent twice counts once. What came too late is told with its reason, and nothing else is lost for it.
 */
export class WorkQueue {
  private waiting: WorkStep[] = []
  private sending = false
  private again = false
  private seq = 0

  constructor(
    private readonly store: StepStore,
    private readonly sender: Sender,
    private readonly listener: QueueListener,
    private readonly newId: () => string,
  ) {}

  /** Takes up what was left when the page was closed. */
  async open(): Promise<void> {
    this.waiting = await this.store.all()
    this.seq = this.waiting.at(-1)?.seq ?? 0
    this.tell()
  }

  async add(step: NewStep): Promise<void> {
    const triggers = this.waiting.filter((each) => each.order === step.order && each.kind === 'trigger').length
    this.seq += 1
    const made: WorkStep = {
      client_id: this.newId(),
      seq: this.seq,
      order: step.order,
      kind: step.kind,
      trigger: step.trigger,
      ordinal: step.ordinal,
      base_version: step.version + triggers,
      happened_at: new Date().toISOString(),
      body: step.body ?? {},
      // A list that a form watches is no list that a database takes.
      photos: [...(step.photos ?? [])],
      sent: [],
    }
    await this.store.put(made)
    this.waiting = [...this.waiting, made]
    this.tell()
  }

  /** Sends all that waits; says whether nothing is left. */
  async flush(): Promise<boolean> {
    if (this.sending) {
      this.again = true
      return false
    }
    this.sending = true
    this.tell()
    try {
      do {
        this.again = false
        for (const order of new Set(this.waiting.map((step) => step.order))) await this.flushOrder(order)
      } while (this.again)
      return this.waiting.length === 0
    } catch (error) {
      if (isLater(error)) return false
      throw error
    } finally {
      this.sending = false
      this.tell()
    }
  }

  private async flushOrder(order: string): Promise<void> {
    const steps = this.waiting.filter((step) => step.order === order).slice(0, AT_ONCE_MAX)
    for (const step of steps) await this.upload(step)
    try {
      const answer = await this.sender.sync(order, steps.map(onTheWire))
      await this.settle(steps, answer.results)
      this.listener.synced(answer.order)
    } catch (error) {
      if (!(error instanceof ApiError) || isLater(error)) throw error
      // The whole order is closed to us: each step is told, so that nobody believes it was done.
      await this.settle(
        steps,
        steps.map(({ client_id }) => ({
          client_id,
          status: 'refused',
          code: error.code,
          message: error.message,
          state: '',
        })),
      )
    }
  }

  /** One photo after the other; each is written down as sent, so that a cut line sends none twice. */
  private async upload(step: WorkStep): Promise<void> {
    while (step.sent.length < step.photos.length) {
      const photo = step.photos[step.sent.length] as Blob
      try {
        step.sent = [...step.sent, await this.sender.upload(photo)]
      } catch (error) {
        if (!(error instanceof ApiError) || isLater(error)) throw error
        // A photo that is refused would be refused again; the words go without it.
        step.photos = step.photos.filter((each) => each !== photo)
        this.listener.refused([{ client_id: step.client_id, order: step.order, what: 'photo', why: error.message }])
      }
      await this.store.put(step)
    }
  }

  private async settle(steps: readonly WorkStep[], results: readonly StepResult[]): Promise<void> {
    const answered = new Map(results.map((result) => [result.client_id, result]))
    const over = steps.filter((step) => answered.has(step.client_id))
    await this.store.remove(over.map((step) => step.client_id))
    const gone = new Set(over.map((step) => step.client_id))
    this.waiting = this.waiting.filter((step) => !gone.has(step.client_id))
    const refusals = over.flatMap((step) => {
      const result = answered.get(step.client_id)
      if (result?.status !== 'refused') return []
      const what = step.trigger ?? step.kind
      return [{ client_id: step.client_id, order: step.order, what, why: result.message ?? result.code ?? '' }]
    })
    if (refusals.length > 0) this.listener.refused(refusals)
    this.tell()
  }

  private tell(): void {
    this.listener.changed(this.waiting, this.sending)
  }
}

function onTheWire(step: WorkStep): object {
  const { client_id, base_version, happened_at, kind, trigger, ordinal } = step
  const body = step.sent.length > 0 ? { ...step.body, files: step.sent } : step.body
  return { client_id, base_version, happened_at, kind, trigger, ordinal, body }
}

function isLater(error: unknown): boolean {
  return error instanceof NetworkError || (error instanceof ApiError && (error.retryable || error.status === 401))
}
