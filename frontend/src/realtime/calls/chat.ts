import { newIdempotencyKey, type ApiClient } from '@/kernel/api'
import { sendFile } from './files'
import type { CallMessage } from './types'

/** Words with files: the files first, because a message names them. */
export async function sendMessage(api: ApiClient, call: string, words: string, files: File[]): Promise<CallMessage> {
  const sent: string[] = []
  for (const file of files) sent.push((await sendFile(api, file)).id)
  return api.post<CallMessage>(`/v1/calls/${call}/messages`, { client_id: newIdempotencyKey(), words, files: sent })
}
