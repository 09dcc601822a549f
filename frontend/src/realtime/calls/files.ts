import type { InjectionKey } from 'vue'
import type { ApiClient } from '@/kernel/api'
import type { AttachedFile } from './types'

/** The address below which the pictures of a page lie, where that is not the usual one. */
export const FilesKey: InjectionKey<string> = Symbol('files')
export const FILES = '/v1/files'

/** Sends a picture or a voice note; the answer names it. */
export async function sendFile(api: ApiClient, blob: Blob): Promise<AttachedFile> {
  const form = new FormData()
  form.append('file', blob, blob.type.startsWith('image/') ? 'picture' : 'voice')
  return api.post<AttachedFile>('/v1/files', form, { timeoutMs: 60_000 })
}

/** iPhones turn their own kind of picture into one of these by themselves when only these are asked for. */
export const PICTURES_TAKEN = 'image/jpeg,image/png,image/webp'
