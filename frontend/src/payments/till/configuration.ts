import type { ApiClient } from '@/kernel/api'
import type { TillConfiguration } from './types'

/** `GET /v1/terminals/me`, put into the till's own words. */
export async function readConfiguration(api: ApiClient, signal: AbortSignal): Promise<TillConfiguration> {
  return await api.get<TillConfiguration>('/v1/terminals/me', {}, signal)
}
