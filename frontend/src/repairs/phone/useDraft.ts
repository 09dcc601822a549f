import { reactive, watch } from 'vue'
import { useShelf } from '@/kernel/kept'
import type { ChosenPlace } from '@/realtime/calls/types'
import { newClientId } from '../ordersApi'
import type { Urgency } from '../types'

export interface Draft {
  /** However often it is sent, it is one order. */
  client_id: string
  place: ChosenPlace | null
  asset: { id: string; name_zh: string; name_en: string } | null
  category: string
  words: string
  urgency: Urgency
  from: string
  until: string
  phone: string
  /** Who is served, if not whoever writes. */
  served: { id: string; name: string } | null
}

const NAME = 'repairs.draft'

function fresh(): Draft {
  return {
    client_id: newClientId(),
    place: null,
    asset: null,
    category: '',
    words: '',
    urgency: 'normal',
    from: '',
    until: '',
    phone: '',
    served: null,
  }
}

/** What somebody has begun to write is still there after a call, a reload, a tunnel. */
export function useDraft() {
  const shelf = useShelf()
  const draft = reactive<Draft>({ ...fresh(), ...shelf.read<Draft>(NAME)?.value })
  watch(draft, () => shelf.write(NAME, { ...draft }))

  function clear(): void {
    Object.assign(draft, fresh())
    shelf.remove(NAME)
  }
  return { draft, clear }
}
