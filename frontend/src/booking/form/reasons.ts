import { ApiError } from '@/kernel/errors'

type Translate = (key: string, named?: Record<string, unknown>) => string

/** Why a booking is refused, in words: of a rule the server tells its name, and what the limit is. */
export function reasonOf(error: unknown, t: Translate): string {
  if (!(error instanceof ApiError)) return t('kernel.offline.hint')
  if (error.code !== 'NOT_BOOKABLE') return error.message
  const { rule, limit } = error.data as { rule: string; limit?: number }
  const most = rule === 'length' && limit !== undefined ? minutesWords(limit, t) : limit
  return t(`booking.rule.${rule}`, { limit: most })
}

/** `150` -> `2 小时 30 分钟`. */
export function minutesWords(minutes: number, t: Translate): string {
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60]
  if (hours === 0) return t('booking.left.minutes', { minutes: rest })
  return t(rest === 0 ? 'booking.left.hours' : 'booking.left.hoursMinutes', { hours, minutes: rest })
}
