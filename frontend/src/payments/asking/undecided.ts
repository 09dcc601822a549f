import { ApiError, NetworkError } from '@/kernel/errors'

/** Nobody knows whether it was done: only the very same may be sent again. A server that stumbled may have done it, too. */
export function isUndecided(failure: Error | null): boolean {
  if (failure instanceof ApiError) return failure.status === 429 || failure.status >= 500
  return failure instanceof NetworkError
}
