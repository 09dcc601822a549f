import { computed, ref, watch } from 'vue'
import { useApi } from '@/kernel/api'
import { useLoad } from '@/kernel/load'
import type { Page } from '@/kernel/page'
import type { Menu, MenuItem, ScannedPlace } from './types'

/** A tray holds so many of one dish. */
export const QUANTITY_MAX = 20

/** What somebody puts together from the menu of this meal, before they pay for it. */
export function useMenuOrder(place: () => ScannedPlace | null) {
  const api = useApi()
  const quantities = ref<Record<string, number>>({})
  const menu = useLoad(
    async (signal) => {
      const told = await api.get<Page<Menu>>(`/v1/canteens/${place()?.canteen}/menus`, {}, signal)
      return told.data.find((each) => each.state === 'published' && each.meal === place()?.meal)?.items ?? []
    },
    { immediate: false },
  )
  // Asked for only where dishes are sold at all.
  const isSold = computed(() => Boolean(place()?.modes.includes('menu') && !place()?.refusal))
  watch(isSold, (sold) => sold && void menu.reload(), { immediate: true })
  /** Only what is still there: a dish that ran out meanwhile is not paid for. */
  const chosen = computed(() => (menu.data.value ?? []).filter((dish) => !dish.sold_out && quantityOf(dish) > 0))
  const portions = computed(() => chosen.value.reduce((sum, dish) => sum + quantityOf(dish), 0))
  const totalFen = computed(() => chosen.value.reduce((sum, dish) => sum + dish.price_fen * quantityOf(dish), 0))
  const items = computed(() => chosen.value.map((dish) => ({ dish_id: dish.dish_id, quantity: quantityOf(dish) })))

  function quantityOf(dish: MenuItem): number {
    return quantities.value[dish.dish_id] ?? 0
  }

  function change(dish: MenuItem, by: number): void {
    const quantity = Math.min(QUANTITY_MAX, Math.max(0, quantityOf(dish) + by))
    quantities.value = { ...quantities.value, [dish.dish_id]: quantity }
  }

  return { menu, portions, totalFen, items, quantityOf, change }
}

export type MenuOrder = ReturnType<typeof useMenuOrder>
