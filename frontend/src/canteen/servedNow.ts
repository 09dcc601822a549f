import { clockTime } from '@/kernel/time'
import type { Canteen } from './types'

type Translate = (key: string, values?: Record<string, string>) => string

/** What a canteen serves at this moment, or when it opens next, in a few words. */
export function servedNow(canteen: Canteen, t: Translate, locale: string): { tone: 'ok' | 'idle'; label: string } {
  const { meal, until_at, next_meal, next_opening_at } = canteen.now
  if (canteen.is_open && meal && until_at) {
    return {
      tone: 'ok',
      label: t('canteen.admin.serving', { meal: t(`canteen.meal.${meal}`), time: clockTime(until_at, locale) }),
    }
  }
  if (canteen.is_open && next_meal && next_opening_at) {
    return {
      tone: 'idle',
      label: t('canteen.admin.closedUntil', {
        meal: t(`canteen.meal.${next_meal}`),
        time: clockTime(next_opening_at, locale),
      }),
    }
  }
  return { tone: 'idle', label: t('canteen.admin.closed') }
}
