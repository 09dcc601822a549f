import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'
import { useApi } from '@/kernel/api'
import { useShelf } from '@/kernel/kept'
import { useLoad } from '@/kernel/load'
import { useOnline } from '@/kernel/online'
import { sendFile } from '@/realtime/calls/files'
import { useChannel } from '@/realtime/useRealtime'
import { getOrder, listOrders, newClientId } from '../ordersApi'
import type { WholeOrder } from '../types'
import { WorkQueue, type NewStep, type SyncAnswer } from './queue'
import { applySteps, inOrderOfWork, type Refusal, type WorkStep } from './steps'
import { IndexedSteps } from './store'

const RETRY_MS = 5_000
const JOBS_MAX = 30
const REFUSED = 'work.refused'
const SYNC_TIMEOUT_MS = 30_000

/** The jobs of whoever is signed in, kept on the device with all that a ladder needs, and what was done to them. */
export function useWork(me: { id: string; name: string }) {
  const api = useApi()
  const shelf = useShelf()
  const online = useOnline()
  const waiting = shallowRef<readonly WorkStep[]>([])
  const sending = ref(false)
  const refused = shallowRef<Refusal[]>(shelf.read<Refusal[]>(REFUSED)?.value ?? [])
  let retry: ReturnType<typeof setTimeout> | undefined

  const jobs = useLoad(
    async (signal) => {
      const page = await listOrders(api, { mine: 'assigned', stage: 'open', limit: JOBS_MAX }, signal)
      return Promise.all(page.data.map((order) => getOrder(api, order.id, signal)))
    },
    { keep: 'work.jobs' },
  )
  const orders = computed(() =>
    inOrderOfWork((jobs.data.value ?? []).map((order) => applySteps(order, waiting.value, me.name))),
  )

  function keepJob(order: WholeOrder): void {
    const before = jobs.data.value ?? []
    const isKnown = before.some((each) => each.id === order.id)
    jobs.data.value = isKnown ? before.map((each) => (each.id === order.id ? order : each)) : [...before, order]
    shelf.write('work.jobs', jobs.data.value)
  }

  function tellRefused(more: Refusal[]): void {
    refused.value = [...refused.value, ...more]
    shelf.write(REFUSED, refused.value)
  }

  const queue = new WorkQueue(
    new IndexedSteps(me.id),
    {
      upload: async (photo) => (await sendFile(api, photo)).id,
      sync: (order, steps) =>
        api.post<SyncAnswer>(`/v1/work_orders/${order}/sync`, { steps }, { timeoutMs: SYNC_TIMEOUT_MS }),
    },
    {
      changed: (now, isSending) => {
        waiting.value = [...now]
        sending.value = isSending
      },
      synced: keepJob,
      refused: tellRefused,
    },
    newClientId,
  )

  async function flush(): Promise<void> {
    clearTimeout(retry)
    const hadSome = waiting.value.length > 0
    const isEmpty = await queue.flush()
    if (isEmpty && hadSome) void jobs.reload()
    if (!isEmpty && waiting.value.length > 0) retry = setTimeout(() => void flush(), RETRY_MS)
  }

  /** Written down at once; whether it has arrived shows by itself. */
  async function act(order: WholeOrder, step: Omit<NewStep, 'order' | 'version'>): Promise<void> {
    const version = jobs.data.value?.find((each) => each.id === order.id)?.version ?? order.version
    await queue.add({ ...step, order: order.id, version })
    void flush()
  }

  function forgetRefused(): void {
    refused.value = []
    shelf.remove(REFUSED)
  }

  useChannel('me', {
    onEvent: (event) => {
      // What this phone has sent itself comes back as an event, too: the answer to it was newer.
      if (event.type.startsWith('work_order.') && !sending.value) void jobs.reload()
    },
    onResync: () => void jobs.reload(),
  })
  watch(online, (now) => {
    if (now) void flush()
  })
  onScopeDispose(() => clearTimeout(retry))
  void queue.open().then(flush)
  return { jobs, orders, waiting, sending, refused, online, act, flush, forgetRefused, reload: jobs.reload }
}

export type Work = ReturnType<typeof useWork>
