import { onScopeDispose } from 'vue'
import { covers } from '@/identity/rights'
import type { Me } from '@/identity/types'
import { useApi } from '@/kernel/api'
import type { Page } from '@/kernel/page'
import type { Schema } from '@/kernel/wire'
import { useRealtime } from '@/realtime/useRealtime'

const ROLES = ['canteen_manager', 'finance']
/** A line carries fifty channels at the most; an office with more canteens than this looks by itself. */
const CHANNELS_MAX = 40
const LOOK_EVERY_MS = 15_000

/** Tells whenever a dispute of somebody's canteens has moved: by their channels, as soon as it has. */
export function useDisputeNews(tell: () => void): void {
  const api = useApi()
  const realtime = useRealtime()
  const stops: (() => void)[] = []
  let gone = false
  onScopeDispose(() => {
    gone = true
    for (const stop of stops) stop()
  })

  async function listen(): Promise<void> {
    const [me, canteens] = await Promise.all([
      api.get<Me>('/v1/me'),
      api.get<Page<Schema<'CanteenView'>>>('/v1/canteens', { limit: 100 }),
    ])
    if (gone) return
    const mine = canteens.data.filter((canteen) => covers(me, ROLES, canteen))
    const listener = {
      onEvent: ({ type }: { type: string }) => {
        if (type === 'dispute.changed') tell()
      },
      onResync: tell,
    }
    for (const canteen of mine.slice(0, CHANNELS_MAX)) stops.push(realtime.subscribe(`canteen:${canteen.id}`, listener))
    if (mine.length > CHANNELS_MAX || canteens.has_more) look()
  }

  function look(): void {
    const timer = setInterval(() => {
      if (!document.hidden) tell()
    }, LOOK_EVERY_MS)
    stops.push(() => clearInterval(timer))
  }

  // Without knowing whose canteens they are there is nothing to listen to.
  listen().catch(look)
}
