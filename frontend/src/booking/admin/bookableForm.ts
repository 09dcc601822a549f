import { parseYuan, plainYuan } from '@/kernel/money'
import { LAYOUTS, type Bookable, type Kind, type Somebody } from '../types'

const DAY_MINUTES = 1440

/** A hall, a room or a car as the form has it. */
export function formOf(known: Bookable | null) {
  return {
    kind: (known?.kind ?? 'venue') as Kind,
    name_zh: known?.name_zh ?? '',
    name_en: known?.name_en ?? '',
    region: known?.region ?? '',
    place: known?.place ?? '',
    unit: known?.unit ?? '',
    unit_only: known?.unit_only ?? false,
    unit_books: known?.unit_books ?? false,
    capacity: known?.capacity ?? 10,
    features: [...(known?.features ?? [])],
    always: known ? known.opens_at === null : false,
    opens_at: known?.opens_at ?? '08:00',
    closes_at: known?.closes_at ?? '20:00',
    weekdays: [...(known?.weekdays ?? [0, 1, 2, 3, 4, 5, 6])],
    setup_minutes: known?.setup_minutes ?? 0,
    cleanup_minutes: known?.cleanup_minutes ?? 0,
    needs_approval: known?.needs_approval ?? false,
    pending_blocks: known?.pending_blocks ?? true,
    window_days: known?.window_days ?? 90,
    hours_max: Math.round((known?.minutes_max ?? DAY_MINUTES) / 60),
    nights_max: Math.max(1, Math.ceil((known?.minutes_max ?? 14 * DAY_MINUTES) / DAY_MINUTES)),
    open_max: known?.open_max ?? undefined,
    no_show_minutes: known?.no_show_minutes ?? 15,
    layouts: { ...known?.layouts } as Record<string, number | undefined>,
    room_type: known?.room_type ?? 'twin',
    nights: known ? known.arrive_at !== null : true,
    arrive_at: known?.arrive_at ?? '14:00',
    leave_at: known?.leave_at ?? '12:00',
    plate: known?.plate ?? '',
    with_driver: known?.with_driver ?? true,
    drivers: [...(known?.drivers ?? [])] as Somebody[],
    rate: known?.rate_fen ? plainYuan(known.rate_fen).replaceAll(',', '') : '',
    rate_per: known?.rate_per ?? 'hour',
    free_cancel_hours: known?.free_cancel_hours ?? 24,
    late_refund_percent: known?.late_refund_percent ?? 0,
  }
}
export type BookableForm = ReturnType<typeof formOf>

/** What is booked by nights keeps an hotel's hours, and somebody arrives late in the evening. */
export function becomeKind(form: BookableForm): void {
  const isRoom = form.kind === 'hotel_room'
  form.always = isRoom || form.kind === 'car'
  form.rate_per = isRoom ? 'night' : 'hour'
  form.no_show_minutes = isRoom ? 18 * 60 : 15
  form.capacity = isRoom ? 2 : form.kind === 'car' ? 5 : 10
}

/** The amount in fen, null for none, undefined where it is no amount. */
function rateOf(form: BookableForm): number | null | undefined {
  return form.rate.trim() === '' ? null : (parseYuan(form.rate) ?? undefined)
}

/** The same as the server takes it; undefined where its rate is no amount. What is not of its kind is left out. */
export function bodyOf(form: BookableForm): Record<string, unknown> | undefined {
  const rate_fen = rateOf(form)
  if (rate_fen === undefined) return undefined
  const isNights = form.kind === 'hotel_room' && form.nights
  const layouts = LAYOUTS.filter((name) => form.layouts[name]).map((name) => [name, form.layouts[name]])
  return {
    name_zh: form.name_zh,
    name_en: form.name_en || form.name_zh,
    unit_only: form.unit !== '' && form.unit_only,
    unit_books: form.unit !== '' && form.unit_books,
    capacity: form.capacity,
    features: form.features,
    opens_at: form.always ? null : form.opens_at,
    closes_at: form.always ? null : form.closes_at,
    weekdays: form.weekdays,
    setup_minutes: form.setup_minutes,
    cleanup_minutes: form.cleanup_minutes,
    needs_approval: form.needs_approval,
    pending_blocks: form.pending_blocks,
    window_days: form.window_days,
    minutes_max: isNights ? form.nights_max * DAY_MINUTES : form.hours_max * 60,
    open_max: form.open_max ?? null,
    no_show_minutes: form.no_show_minutes,
    rate_fen,
    rate_per: rate_fen === null ? null : form.rate_per,
    free_cancel_hours: form.free_cancel_hours,
    late_refund_percent: form.late_refund_percent,
    ...(form.kind === 'venue' ? { layouts: Object.fromEntries(layouts) as object } : {}),
    ...(form.kind === 'hotel_room'
      ? {
          room_type: form.room_type,
          arrive_at: isNights ? form.arrive_at : null,
          leave_at: isNights ? form.leave_at : null,
        }
      : {}),
    ...(form.kind === 'car' ? { plate: form.plate || null, with_driver: form.with_driver } : {}),
  }
}
