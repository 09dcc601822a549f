import type { ApiClient } from '@/kernel/api'
import { locale } from '@/kernel/locale'
import { nameIn, type Named } from '@/kernel/names'
import type { Schema } from '@/kernel/wire'
import type { TillConfiguration, TillDish, TillMode } from './types'

/** `GET /v1/terminals/me` as it comes: identity's part, and beside it what payments and canteen say. */
interface Told {
  id: string
  name: string
  modes: TillMode[]
  seq_epoch: number
  next_seq: number
  canteen?: Named & { id: string; now: { meal: string | null } }
  prices?: { person_class: string; meal: string; serving: number; price_fen: number }[]
  shift?: Schema<'ShiftLine'> | null
  printer?: boolean
  menus?: { id: string; meal: string; items: (Named & { dish_id: string; price_fen: number; sold_out: boolean })[] }[]
}

/** The fastest lane first. */
const MODES: TillMode[] = ['fixed', 'keyed', 'menu', 'count']

/** The price shown in the fixed lane; what each person pays is decided by the server. */
const SHOWN_CLASS = 'staff'

/** The till's configuration, put into its own words. */
export async function readConfiguration(api: ApiClient, signal: AbortSignal): Promise<TillConfiguration> {
  const told = await api.get<Told>('/v1/terminals/me', {}, signal)
  const meal = told.canteen?.now.meal ?? null
  const price = told.prices?.find((row) => row.person_class === SHOWN_CLASS && row.meal === meal && row.serving === 1)
  return {
    id: told.id,
    name: told.name,
    canteen: { id: told.canteen?.id ?? '', name: told.canteen ? nameIn(told.canteen, locale.value) : '' },
    modes: MODES.filter((mode) => told.modes.includes(mode)),
    nextSeq: told.next_seq,
    seqEpoch: told.seq_epoch,
    meal,
    price_fen: price?.price_fen ?? null,
    dishes: dishesOf(told, meal),
    shift: told.shift ?? null,
    printer: told.printer ?? false,
  }
}

function dishesOf(told: Told, meal: string | null): TillDish[] {
  const menu = told.menus?.find((each) => each.meal === meal)
  return (menu?.items ?? []).map((item) => ({
    id: item.dish_id,
    menu: menu?.id ?? '',
    name: nameIn(item, locale.value),
    price_fen: item.price_fen,
    available: !item.sold_out,
  }))
}
