import { computed, ref } from 'vue'
import type { SaleBody, TillConfiguration, TillMode } from './types'
import type { Presented } from './wedge'

/** What is being sold, before a code is read: an amount, dishes, or simply this meal. */
export function useSaleForm(configuration: () => TillConfiguration) {
  const mode = ref<TillMode>(configuration().modes[0] ?? 'keyed')
  const amountFen = ref<number | null>(null)
  const quantities = ref<Record<string, number>>({})

  const chosen = computed(() => configuration().dishes.filter((dish) => quantities.value[dish.id]))
  const portions = computed(() => chosen.value.reduce((sum, dish) => sum + count(dish.id), 0))
  const totalFen = computed(() => chosen.value.reduce((sum, dish) => sum + dish.price_fen * count(dish.id), 0))

  function count(dishId: string): number {
    return quantities.value[dishId] ?? 0
  }

  function changeQuantity(dishId: string, by: number): void {
    quantities.value = { ...quantities.value, [dishId]: Math.max(0, count(dishId) + by) }
  }

  function clear(): void {
    amountFen.value = null
    quantities.value = {}
  }

  /** The sale for a code or a card; null while there is nothing to be paid yet. */
  function saleFor(code: string, kind: Presented): Omit<SaleBody, 'seq'> | null {
    const who = kind === 'card' ? { credential: { kind, value: code } } : { code }
    if (mode.value === 'keyed') return amountFen.value ? { ...who, amount_fen: amountFen.value } : null
    if (mode.value !== 'menu') return who
    if (chosen.value.length === 0) return null
    return { ...who, items: chosen.value.map((dish) => ({ dish_id: dish.id, quantity: count(dish.id) })) }
  }

  /** What a guest's own app is asked for: it knows no prices of ours. */
  function guestFen(): number | null {
    if (mode.value === 'keyed') return amountFen.value
    return mode.value === 'menu' ? totalFen.value || null : configuration().guest_price_fen
  }

  return {
    guestFen,
    quantityOf: count,
    mode,
    amountFen,
    quantities,
    portions,
    totalFen,
    changeQuantity,
    clear,
    saleFor,
  }
}
