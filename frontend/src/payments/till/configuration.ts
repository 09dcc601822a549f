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
const GUEST_CLASS = 'visitor'

/** The till's configuration, put into its own words. */
export async function readConfiguration(api: ApiClient, signal: AbortSignal): Promise<TillConfiguration> {
  const told = await api.get<Told>('/v1/terminals/me', {}, signal)
  const meal = told.canteen?.now.meal ?? null
  const priceOf = (personClass: string) =>
    told.prices?.find((row) => row.person_class === personClass && row.meal === meal && row.serving === 1)?.price_fen ??
    null
  return {
    id: told.id,
    name: told.name,
    canteen: { id: told.canteen?.id ?? '', name: told.canteen ? nameIn(told.canteen, locale.value) : '' },
    modes: MODES.filter((mode) => told.modes.includes(mode)),
    nextSeq: told.next_seq,
    seqEpoch: told.seq_epoch,
    meal,
    price_fen: priceOf(SHOWN_CLASS),
    guest_price_fen: priceOf(GUEST_CLASS),
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
