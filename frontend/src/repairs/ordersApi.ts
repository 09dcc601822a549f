import { newIdempotencyKey, type ApiClient } from '@/kernel/api'
import type { Page } from '@/kernel/page'
import { sendFile } from '@/realtime/calls/files'
import type { Category, OrderBrief, TriggerBody, WholeOrder, WorkOrder } from './types'

/** A name for one act, in the form that the server takes. */
export function newClientId(): string {
  const key = newIdempotencyKey()
  if (key.includes('-')) return key
  return [key.slice(0, 8), key.slice(8, 12), key.slice(12, 16), key.slice(16, 20), key.slice(20)].join('-')
}

/** Categories in use, in the order of the office. */
export async function getCategories(api: ApiClient, signal?: AbortSignal): Promise<Category[]> {
  const all = await api.get<Category[]>('/v1/repair_categories', {}, signal)
  return all.filter((each) => !each.is_retired).toSorted((a, b) => a.ordinal - b.ordinal)
}

export function getOrder(api: ApiClient, id: string, signal?: AbortSignal): Promise<WholeOrder> {
  return api.get<WholeOrder>(`/v1/work_orders/${id}`, {}, signal)
}

export function listOrders(
  api: ApiClient,
  query: Record<string, string | number | undefined>,
  signal?: AbortSignal,
): Promise<Page<WorkOrder>> {
  return api.get<Page<WorkOrder>>('/v1/work_orders', query, signal)
}

export function findSame(
  api: ApiClient,
  query: { place?: string; asset?: string; category?: string },
  signal?: AbortSignal,
): Promise<OrderBrief[]> {
  return api.get<OrderBrief[]>('/v1/work_orders/duplicates', query, signal)
}

export function pull(api: ApiClient, order: { id: string }, trigger: string, body: TriggerBody): Promise<WholeOrder> {
  return api.post<WholeOrder>(`/v1/work_orders/${order.id}/${trigger}`, { client_id: newClientId(), ...body })
}

/** Photos go first: whatever is raised or noted names them. */
export async function sendPhotos(api: ApiClient, files: readonly Blob[]): Promise<string[]> {
  const sent: string[] = []
  for (const file of files) sent.push((await sendFile(api, file)).id)
  return sent
}

/** The end of what a list says is the time in the place's own zone, whatever this device believes. */
export function momentOf(local: string): string | null {
  return local ? `${local}:00+08:00` : null
}
