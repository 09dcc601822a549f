import { useI18n } from 'vue-i18n'
import { dayTime } from '@/kernel/time'
import { partsOf } from './clock'

interface Told {
  state: string
  assignee: { name: string } | null
  hold: { cause: string } | null
}

/** Sentences that several screens of repairs write in the same way. */
export function useRepairWords() {
  const { t, locale } = useI18n()

  function stateOf(order: Told): string {
    const cause = order.hold ? t(`repairs.cause.${order.hold.cause}`) : ''
    return t(`repairs.state.${order.state}`, { name: order.assignee?.name ?? '', cause })
  }

  function span(seconds: number): string {
    const { unit, major, minor } = partsOf(seconds)
    return t(`repairs.clock.${unit}`, { major, minor })
  }

  const at = (moment: string) => dayTime(moment, locale.value)
  return { stateOf, span, at }
}
