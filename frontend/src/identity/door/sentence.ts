import { ApiError, NetworkError } from '@/kernel/errors'

/** What to tell somebody at the door, in their language. */
export function sentenceOf(error: unknown, t: (key: string) => string): string {
  if (error instanceof NetworkError) return t('kernel.offline.title')
  return error instanceof ApiError ? error.message : t('kernel.error.unexpected')
}
