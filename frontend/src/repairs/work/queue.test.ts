import { beforeEach, describe, expect, it } from 'vitest'
import { ApiError, NetworkError } from '@/kernel/errors'
import type { WholeOrder } from '../types'
import { WorkQueue, type NewStep, type Sender } from './queue'
import { applySteps, minutesOf, type Refusal, type StepResult, type WorkStep } from './steps'
import type { StepStore } from './store'

class MemoryStore implements StepStore {
  readonly kept = new Map<string, WorkStep>()

  async all(): Promise<WorkStep[]> {
    return [...this.kept.values()].toSorted((a, b) => a.seq - b.seq)
  }

  async put(step: WorkStep): Promise<void> {
    this.kept.set(step.client_id, structuredClone(step))
  }

  async remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.kept.delete(id)
  }
}

const ORDER = {
  id: 'wo_1',
  state: 'assigned',
  version: 4,
  allowed: ['set_out', 'start', 'decline', 'cancel'],
  checklist: [{ ordinal: 1, zh: '断电', en: 'Power off', is_required: true, ticked_by: null, ticked_at: null }],
  notes: [],
  labour: [{ id: 'l', person: { id: 'p', name: '他' }, started_at: '', minutes: 10, words: '' }],
} as unknown as WholeOrder

const DONE = (step: { client_id: string }): StepResult => ({
  client_id: step.client_id,
  status: 'done',
  code: null,
  message: null,
  state: 'en_route',
})

let store: MemoryStore
let waiting: readonly WorkStep[]
let refusals: Refusal[]
let sent: { client_id: string; base_version: number; body: { files?: string[] } }[][]
let uploads: number
let answer: (steps: { client_id: string; kind: string }[]) => StepResult[]

beforeEach(() => {
  store = new MemoryStore()
  waiting = []
  refusals = []
  sent = []
  uploads = 0
  answer = (steps) => steps.map(DONE)
})

async function openQueue(sender: Partial<Sender> = {}): Promise<WorkQueue> {
  let count = 0
  const queue = new WorkQueue(
    store,
    {
      upload: async () => `file_${(uploads += 1)}`,
      sync: async (_order, steps) => {
        sent.push(steps as (typeof sent)[number])
        return { results: answer(steps as never), order: ORDER }
      },
      ...sender,
    },
    {
      changed: (now) => (waiting = now),
      synced: () => undefined,
      refused: (told) => refusals.push(...told),
    },
    () => `step-${(count += 1)}-${Math.random()}`,
  )
  await queue.open()
  return queue
}

const pulls = (trigger: string): NewStep => ({ order: 'wo_1', kind: 'trigger', trigger, version: 4 })

describe('the queue', () => {
  it('sends what was done in its order, each step from the version that the one before has made', async () => {
    const queue = await openQueue()
    await queue.add(pulls('set_out'))
    await queue.add({ order: 'wo_1', kind: 'note', version: 4, body: { words: '灯管坏了' } })
    await queue.add(pulls('start'))
    expect(await queue.flush()).toBe(true)
    expect(sent[0]?.map((step) => step.base_version)).toEqual([4, 5, 5])
    expect(waiting).toEqual([])
    expect(store.kept.size).toBe(0)
  })

  it('keeps all without a network, also over a closed page', async () => {
    const away = await openQueue({ sync: () => Promise.reject(new NetworkError('cut')) })
    await away.add(pulls('set_out'))
    expect(await away.flush()).toBe(false)
    expect(waiting.length).toBe(1)
    const later = await openQueue()
    expect(waiting.map((step) => step.trigger)).toEqual(['set_out'])
    expect(await later.flush()).toBe(true)
  })

  it('sends no photo twice when the line is cut after it', async () => {
    const photo = new Blob(['x'], { type: 'image/jpeg' })
    const cut = await openQueue({ sync: () => Promise.reject(new NetworkError('cut')) })
    await cut.add({ order: 'wo_1', kind: 'note', version: 4, photos: [photo] })
    await cut.flush()
    const queue = await openQueue()
    await queue.flush()
    expect(uploads).toBe(1)
    expect(sent[0]?.[0]?.body.files).toEqual(['file_1'])
  })

  it('tells what came too late, and the rest arrives', async () => {
    answer = (steps) =>
      steps.map((step) =>
        step.kind === 'trigger'
          ? { ...DONE(step), status: 'refused', code: 'STATE_CONFLICT', message: '已派给别人' }
          : DONE(step),
      )
    const queue = await openQueue()
    await queue.add(pulls('finish'))
    await queue.add({ order: 'wo_1', kind: 'note', version: 4, body: { words: '换了灯管' } })
    await queue.flush()
    expect(refusals).toMatchObject([{ what: 'finish', why: '已派给别人' }])
    expect(waiting).toEqual([])
  })

  it('does not lose the words for a photo that is refused', async () => {
    const damaged = new ApiError(422, 'FILE_DAMAGED', '照片打不开', {}, null, null)
    const queue = await openQueue({ upload: () => Promise.reject(damaged) })
    await queue.add({ order: 'wo_1', kind: 'note', version: 4, body: { words: '看照片' }, photos: [new Blob(['x'])] })
    await queue.flush()
    expect(refusals).toMatchObject([{ what: 'photo', why: '照片打不开' }])
    expect(sent[0]?.length).toBe(1)
  })

  it('tells every step of an order that is no longer ours', async () => {
    const gone = new ApiError(404, 'NOT_FOUND', '没有这一单', {}, null, null)
    const queue = await openQueue({ sync: () => Promise.reject(gone) })
    await queue.add(pulls('start'))
    await queue.flush()
    expect(refusals).toMatchObject([{ what: 'start', why: '没有这一单' }])
  })
})

describe('an order with steps that wait', () => {
  const step = (change: Partial<WorkStep>): WorkStep => ({
    client_id: 'c',
    seq: 1,
    order: 'wo_1',
    kind: 'trigger',
    base_version: 4,
    happened_at: '2026-11-23T08:00:00Z',
    body: {},
    photos: [],
    sent: [],
    ...change,
  })

  it('offers only what whoever works may do', () => {
    expect(applySteps(ORDER, [], '我').allowed).toEqual(['set_out', 'start', 'decline'])
  })

  it('looks as it will once they have arrived', () => {
    const steps = [
      step({ trigger: 'start' }),
      step({ kind: 'check', ordinal: 1, body: { ticked: true } }),
      step({ kind: 'labour', body: { minutes: 25 } }),
      step({ kind: 'note', body: { words: '换了灯管' } }),
    ]
    const now = applySteps(ORDER, steps, '我')
    expect(now).toMatchObject({ state: 'in_progress', version: 5, allowed: ['finish', 'hold'] })
    expect(minutesOf(now)).toBe(35)
    expect(now.checklist[0]?.ticked_by?.name).toBe('我')
    expect(now.notes[0]?.words).toBe('换了灯管')
  })

  it('does not take a step that its state does not know', () => {
    expect(applySteps(ORDER, [step({ trigger: 'finish' })], '我').state).toBe('assigned')
  })
})
