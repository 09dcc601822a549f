import type { ApiClient } from '@/kernel/api'
import type { Schema } from '@/kernel/wire'
import type { Press } from './pressQueue'
import type { Call, CallMessage, CallTrigger } from './types'

export type TriggerBody = Partial<Schema<'TriggerBody'>>

/** Sends a press. The same press again, or another one while a call is open, is the same call. */
export function placeCall(api: ApiClient, press: Press): Promise<Call> {
  return api.post<Call>('/v1/calls', {
    client_id: press.client_id,
    kind: press.kind,
    place: press.place?.id ?? null,
    words: press.words,
  })
}

/** The caller's own latest call, whatever became of it. */
export async function findMyCall(api: ApiClient): Promise<Call | null> {
  const page = await api.get<{ data: Call[] }>('/v1/calls', { mine: true, limit: 1 })
  return page.data[0] ?? null
}

export function getCall(api: ApiClient, id: string, signal?: AbortSignal): Promise<Call> {
  return api.get<Call>(`/v1/calls/${id}`, {}, signal)
}

export function pullTrigger(api: ApiClient, id: string, trigger: CallTrigger, body: TriggerBody): Promise<Call> {
  return api.post<Call>(`/v1/calls/${id}/${trigger}`, body)
}

/** What was written, oldest first. */
export async function getMessages(api: ApiClient, id: string, signal?: AbortSignal): Promise<CallMessage[]> {
  const page = await api.get<{ data: CallMessage[] }>(`/v1/calls/${id}/messages`, { limit: 100 }, signal)
  return page.data.toReversed()
}
