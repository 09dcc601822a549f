import { onScopeDispose, shallowRef, triggerRef } from 'vue'
import { useApi } from '@/kernel/api'
import { useLoad } from '@/kernel/load'
import { useRealtime } from '@/realtime/useRealtime'
import { isOver } from '../states'
import type { Card, RepairDesk } from '../types'

interface Snapshot {
  position: number
  orders: Card[]
}

const TOGETHER_MS = 60

/** One region's open orders, live: the snapshot first, then every change after it, in their order. */
export function useRepairBoard(desk: RepairDesk) {
  const api = useApi()
  const realtime = useRealtime()
  const cards = shallowRef(new Map<string, Card>())
  let stop: (() => void) | null = null
  let soon: ReturnType<typeof setTimeout> | undefined
  let painted: ReturnType<typeof setTimeout> | undefined

  const snapshot = useLoad(async (signal) => {
    const found = await api.get<Snapshot>(`/v1/repair_desks/${desk.id}`, {}, signal)
    cards.value = new Map(found.orders.map((card) => [card.id, card]))
    listen(found.position)
    return found.position
  })

  function reloadSoon(): void {
    clearTimeout(soon)
    soon = setTimeout(() => void snapshot.reload(), TOGETHER_MS)
  }

  /** Many changes of one moment are drawn together. */
  function paintSoon(): void {
    painted ??= setTimeout(() => {
      painted = undefined
      triggerRef(cards)
    }, TOGETHER_MS)
  }

  function take(data: Record<string, unknown>): void {
    const id = String(data.order)
    const before = cards.value.get(id)
    const version = Number(data.order_version ?? data.version)
    if (before && before.version > version) return
    // What an event does not say of the clocks is known from before.
    const card = { ...before, ...data, id, version } as unknown as Card
    if (isOver(card.state)) cards.value.delete(id)
    else cards.value.set(id, card)
    paintSoon()
  }

  function mark(data: Record<string, unknown>, sla: Card['sla']): void {
    const before = cards.value.get(String(data.order))
    if (!before) return
    cards.value.set(before.id, { ...before, sla })
    paintSoon()
  }

  function listen(position: number): void {
    stop ??= realtime.subscribe(
      desk.channel,
      {
        onEvent: (event) => {
          if (event.type === 'work_order.changed') take(event.data)
          else if (event.type === 'sla.warned') mark(event.data, 'warned')
          else if (event.type === 'sla.breached') mark(event.data, 'breached')
        },
        onResync: reloadSoon,
      },
      position,
    )
  }

  onScopeDispose(() => {
    stop?.()
    clearTimeout(soon)
    clearTimeout(painted)
  })
  return { cards, snapshot }
}
