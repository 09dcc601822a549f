import { reactive, watch } from 'vue'
import { instantIn, moveDay } from '@/kernel/days'
import { today } from '@/kernel/time'
import { newRequestId } from '../bookingApi'
import type { AgendaItem, Contact, Line, LineKind } from './types'

const ZONE = 'Asia/Shanghai'
const KEY = 'guanjia.meeting.draft'

/** A line as the form keeps it: its own name, and whether it was left out of what is sent. */
export interface DraftLine {
  key: string
  line: Line
}

/** Everything that was typed into the form, so that neither back nor forward nor a reload loses it. */
export interface Draft {
  request_id: string
  title: string
  attendees: number
  day: string
  words: string
  lines: DraftLine[]
  agenda: AgendaItem[]
  contacts: Contact[]
  /** Pasted from a sheet, taken over when the meeting is held. */
  guests: string
}

export function freshDraft(): Draft {
  return {
    request_id: newRequestId(),
    title: '',
    attendees: 20,
    day: moveDay(today(), 7),
    words: '',
    lines: [],
    agenda: [],
    contacts: [],
    guests: '',
  }
}

/** In this tab only: two meetings in two tabs do not write over one another. */
export function useDraft(): Draft {
  const draft = reactive<Draft>({ ...freshDraft(), ...read() })
  watch(draft, () => write(draft), { deep: true })
  return draft
}

export function clearDraft(draft: Draft): void {
  Object.assign(draft, freshDraft())
}

function read(): Partial<Draft> {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? '{}') as Partial<Draft>
  } catch {
    return {}
  }
}

function write(draft: Draft): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(draft))
  } catch {
    // A private window without room: it stands in the form all the same, until the page is closed.
  }
}

/** A new line of a kind, as most people would want it: on the day of the meeting, for as many as come. */
export function freshLine(kind: LineKind, draft: Pick<Draft, 'day' | 'attendees'>): DraftLine {
  return { key: newRequestId(), line: wantedOf(kind, draft) }
}

function wantedOf(kind: LineKind, { day, attendees }: Pick<Draft, 'day' | 'attendees'>): Line {
  const at = (wall: string) => instantIn(ZONE, `${day}T${wall}`)
  switch (kind) {
    case 'venue':
      return { kind, bookable: '', starts_at: at('09:00'), ends_at: at('12:00') }
    case 'rooms':
      return { kind, room_type: 'twin', count: Math.max(1, Math.ceil(attendees / 2)), first_night: day, nights: 1 }
    case 'car':
      return {
        kind,
        seats: Math.min(attendees, 7),
        starts_at: at('08:00'),
        ends_at: at('09:00'),
        from_text: '',
        to_text: '',
        with_driver: true,
      }
    case 'meals':
      return { kind, canteen: '', business_date: day, meal: 'lunch', covers: attendees }
    case 'badges':
      return { kind, count: attendees }
  }
}

/** The whole meeting to another day: what was already chosen moves along. */
export function moveLines(lines: DraftLine[], from: string, to: string): void {
  const days = Math.round((Date.parse(to) - Date.parse(from)) / 86_400_000)
  if (!Number.isFinite(days) || days === 0) return
  for (const { line } of lines) moveLine(line, days)
}

function moveLine(line: Line, days: number): void {
  if (line.kind === 'venue' || line.kind === 'car') {
    line.starts_at = moved(line.starts_at, days)
    line.ends_at = moved(line.ends_at, days)
  } else if (line.kind === 'rooms') {
    line.first_night = moveDay(line.first_night, days)
  } else if (line.kind === 'meals') {
    line.business_date = moveDay(line.business_date, days)
  }
}

const moved = (at: string, days: number) => new Date(Date.parse(at) + days * 86_400_000).toISOString()

/** What is missing before a line can be sent. */
export function isWhole(line: Line): boolean {
  if (line.kind === 'venue') return line.bookable !== '' && line.ends_at > line.starts_at
  if (line.kind === 'car')
    return line.from_text.trim() !== '' && line.to_text.trim() !== '' && line.ends_at > line.starts_at
  if (line.kind === 'meals') return line.canteen !== ''
  return true
}

/** How many rows somebody has pasted, without a head and without empty ones. */
export function pastedRows(text: string): number {
  const rows = text.split(/\r?\n/).filter((row) => row.trim() !== '')
  return rows.length - (/^(姓名|name)\b/i.test(rows[0]?.trim() ?? '') || rows[0]?.trim().startsWith('姓名') ? 1 : 0)
}
