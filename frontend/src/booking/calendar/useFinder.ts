import { computed, watch } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { useApi } from '@/kernel/api'
import { useLoad } from '@/kernel/load'
import { readAll } from '@/kernel/page'
import { today } from '@/kernel/time'
import { mondayOf, moveDay } from '@/kernel/days'
import { KINDS, type Bookable, type CalendarEntry, type Kind, type Span } from '../types'
import { spanOn } from '../span'

export const VIEWS = ['day', 'week', 'resource'] as const
export type View = (typeof VIEWS)[number]

/** What of everything is looked at. It stands in the address, so that back, forward and a link give the same picture. */
export interface Looking {
  view: View
  day: string
  kind: Kind
  place: string
  capacity: number
  feature: string
  bookable: string
}

/** What is known of a week: who has what, as far as one may know it. */
export interface Week {
  bookables: Bookable[]
  entries: CalendarEntry[]
}

const ZONE = 'Asia/Shanghai'
const DAY = /^\d{4}-\d{2}-\d{2}$/
const text = (value: unknown) => (typeof value === 'string' ? value : '')

export function useFinder() {
  const route = useRoute()
  const router = useRouter()
  const api = useApi()

  const looking = computed<Looking>(() => ({
    view: VIEWS.find((each) => each === route.query.view) ?? 'day',
    day: DAY.test(text(route.query.day)) ? text(route.query.day) : today(),
    kind: KINDS.find((each) => each === route.query.kind) ?? 'venue',
    place: text(route.query.place),
    capacity: Math.max(1, Number(text(route.query.capacity)) || 1),
    feature: text(route.query.feature),
    bookable: text(route.query.bookable),
  }))
  const first = computed(() => mondayOf(looking.value.day))
  const days = computed(() => Array.from({ length: 7 }, (_, index) => moveDay(first.value, index)))

  function look(change: Partial<Looking>): void {
    const query: Record<string, string> = {}
    for (const [name, value] of Object.entries({ ...route.query, ...change })) if (value) query[name] = String(value)
    if (query.capacity === '1') delete query.capacity
    if (change.kind && change.kind !== looking.value.kind) {
      delete query.feature
      delete query.bookable
    }
    void router.replace({ path: route.path, query })
  }

  const week = useLoad<Week>(async (signal) => {
    const { kind, place, capacity } = looking.value
    const window: Span = spanOn(ZONE, first.value, 0, 7 * 1440)
    const [bookables, calendar] = await Promise.all([
      readAll<Bookable>(api, '/v1/bookables', { kind, place, capacity }, signal),
      api.get<{ data: CalendarEntry[] }>('/v1/booking_calendar', { ...window, of: 'all', kind, place }, signal),
    ])
    return { bookables: bookables.toSorted(byPlaceAndName), entries: calendar.data }
  })
  const asked = computed(() => {
    const { kind, place, capacity } = looking.value
    return `${kind} ${place} ${capacity} ${first.value}`
  })
  watch(asked, () => {
    week.data.value = null
    void week.reload()
  })

  const features = computed(() =>
    [...new Set(week.data.value?.bookables.flatMap((each) => each.features) ?? [])].sort(),
  )
  const shown = (found: Week) => {
    const { feature } = looking.value
    return feature ? found.bookables.filter((each) => each.features.includes(feature)) : found.bookables
  }
  return { looking, look, days, week, features, shown }
}

function byPlaceAndName(one: Bookable, other: Bookable): number {
  const key = (each: Bookable) => `${each.place_name_zh ?? ''} ${each.name_zh}`
  return key(one).localeCompare(key(other), 'zh-CN', { numeric: true })
}

/** What occupies one of them. */
export function entriesOf(week: Week, bookable: Bookable): CalendarEntry[] {
  return week.entries.filter((each) => each.bookable === bookable.id)
}
