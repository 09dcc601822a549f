import type { ApiClient } from '@/kernel/api'
import { ApiError } from '@/kernel/errors'
import type { Draft } from './draft'
import type { GuestPreview, Line, LineClash, Meeting, NewMeeting, Quote } from './types'

/** The draft as the server takes it. */
export function meetingOf(draft: Draft): NewMeeting {
  const { request_id, title, attendees, words, agenda, contacts } = draft
  return {
    request_id,
    title: title.trim(),
    attendees,
    words,
    agenda: agenda.filter((item) => item.title.trim() !== ''),
    contacts: contacts.filter((contact) => contact.name.trim() !== ''),
    lines: draft.lines.map(({ line }) => line),
  }
}

export const holdMeeting = (api: ApiClient, draft: Draft) => api.post<Meeting>('/v1/meetings', meetingOf(draft))
export const quoteMeeting = (api: ApiClient, draft: Draft, signal?: AbortSignal) =>
  api.post<Quote>('/v1/meetings/quote', { ...meetingOf(draft), title: draft.title.trim() || '—' }, { signal })

export function pullMeeting(api: ApiClient, meeting: Meeting, trigger: string, words = ''): Promise<Meeting> {
  return api.post<Meeting>(`/v1/meetings/${meeting.id}/${trigger}`, { words, version: meeting.version })
}

export function changeLine(api: ApiClient, meeting: Meeting, id: string | null, line: Line): Promise<Meeting> {
  const body = { version: meeting.version, line }
  return id === null
    ? api.post<Meeting>(`/v1/meetings/${meeting.id}/lines`, body)
    : api.put<Meeting>(`/v1/meetings/${meeting.id}/lines/${id}`, body)
}

/** Which lines cannot be had, and what else would do; null where it was refused for another reason. */
export function lineClashesOf(error: unknown): LineClash[] | null {
  if (!(error instanceof ApiError) || error.code !== 'MEETING_CLASH') return null
  return error.data.clashes as LineClash[]
}

/** A table of guests, tried or taken. A paste from a sheet comes with tabs, which the server reads too. */
export async function sendGuests(api: ApiClient, meeting: string, table: File, dryRun: boolean): Promise<GuestPreview> {
  const form = new FormData()
  form.append('file', table)
  try {
    return await api.post<GuestPreview>(`/v1/meetings/${meeting}/guests/import`, form, { query: { dry_run: dryRun } })
  } catch (error) {
    if (!(error instanceof ApiError) || !Array.isArray(error.data.bad_cells)) throw error
    return { rows: [], imported: false, bad_cells: error.data.bad_cells as GuestPreview['bad_cells'] }
  }
}

/** What was pasted, as a file. */
export function pastedTable(text: string): File {
  return new File([text.trim() + '\n'], 'guests.csv', { type: 'text/csv' })
}
