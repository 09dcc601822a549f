import type { ApiClient, Query } from './api'

/** Lists come as `{data, has_more}`, newest first; the last id asks for what follows. */
export interface Page<T> {
  data: T[]
  has_more: boolean
}

const PAGE_SIZE = 100
const PAGES_MAX = 30

/** A list read to its end, for pickers and trees that need all of it. */
export async function readAll<T extends { id: string }>(
  api: ApiClient,
  path: string,
  query: Query = {},
  signal?: AbortSignal,
): Promise<T[]> {
  const rows: T[] = []
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const answer = await api.get<Page<T>>(path, { ...query, limit: PAGE_SIZE, starting_after: rows.at(-1)?.id }, signal)
    rows.push(...answer.data)
    if (!answer.has_more) break
  }
  return rows
}
