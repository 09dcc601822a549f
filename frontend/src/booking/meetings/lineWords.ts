import { clockIn, dateIn } from '@/kernel/days'
import type { IconName } from '@/kernel/UiIcon.vue'
import { calendarDay } from '@/kernel/time'
import { spanWords } from '../span'
import { nameOfVenue, type Catalogue } from './useCatalogue'
import type { Line, LineKind, LineView } from './types'

type Translate = (key: string, named?: Record<string, unknown>) => string
const ZONE = 'Asia/Shanghai'

export const LINE_ICON: Record<LineKind, IconName> = {
  venue: 'home',
  rooms: 'moon',
  car: 'pin',
  meals: 'bowl',
  badges: 'user',
}

/** What a line of a meeting wants, as it may be sent back. */
export function wishOf({ kind, title, scan_rule, wanted }: LineView): Line {
  return { ...(JSON.parse(JSON.stringify(wanted)) as object), kind, title, scan_rule } as Line
}

/** What a line wants, in one sentence: `12月1日 周二 09:00–12:00 · 一号会议厅`. */
export function wantedWords(line: Line, catalogue: Catalogue | null, locale: string, t: Translate): string {
  const day = (date: string) => calendarDay(date, locale)
  switch (line.kind) {
    case 'venue':
      return join(spanWords(line, ZONE, day), nameOfVenue(catalogue, line.bookable, locale))
    case 'car':
      return join(
        spanWords(line, ZONE, day),
        nameOfVenue(catalogue, line.bookable, locale),
        `${line.from_text} → ${line.to_text}`,
      )
    case 'rooms':
      return join(
        day(line.first_night),
        t('booking.line.roomsWords', {
          count: line.count,
          nights: line.nights,
          type: t(`booking.roomType.${line.room_type}`),
        }),
      )
    case 'meals': {
      const canteen = catalogue?.canteens.find((each) => each.id === line.canteen)
      return join(
        day(line.business_date),
        t(`booking.meal.${line.meal}`),
        (locale === 'en' ? canteen?.name_en : canteen?.name_zh) ?? '',
        t('booking.line.coversWords', { count: line.covers }),
      )
    }
    case 'badges':
      return t('booking.line.badgesWords', { count: line.count })
  }
}

const join = (...parts: string[]) => parts.filter((part) => part.trim() !== '' && part !== ' → ').join(' · ')

/** When a line is, as short as it can be: for lists where the day stands above. */
export function timeWords(span: { starts_at: string; ends_at: string }): string {
  return `${clockIn(ZONE, span.starts_at)}–${clockIn(ZONE, span.ends_at)}`
}

export const dayOf = (at: string) => dateIn(ZONE, at)
