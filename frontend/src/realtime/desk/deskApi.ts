import type { ApiClient } from '@/kernel/api'
import type { Call } from '../calls/types'
import type { Desk, DeskSnapshot, HandOverTarget } from './types'

export function getDesks(api: ApiClient, signal?: AbortSignal): Promise<Desk[]> {
  return api.get<Desk[]>('/v1/desks', {}, signal)
}

export function getDesk(api: ApiClient, desk: string, signal?: AbortSignal): Promise<DeskSnapshot> {
  return api.get<DeskSnapshot>(`/v1/desks/${desk}`, {}, signal)
}

/** All that needs somebody: waiting, taken, and missed without a cause. */
export async function getDeskCalls(api: ApiClient, desk: Desk, signal?: AbortSignal): Promise<Call[]> {
  const asked = { stage: 'open', region: desk.region, limit: 100 }
  return (await api.get<{ data: Call[] }>('/v1/calls', asked, signal)).data
}

export function tellPresence(api: ApiClient, desk: string, device: string, leave = false): Promise<unknown> {
  return api.post(`/v1/desks/${desk}/presence`, { device, leave })
}

export function getTargets(api: ApiClient): Promise<HandOverTarget[]> {
  return api.get<HandOverTarget[]>('/v1/calls/targets')
}
