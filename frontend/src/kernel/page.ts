/** Lists come as `{data, has_more}`, newest first; the last id asks for what follows. */
export interface Page<T> {
  data: T[]
  has_more: boolean
}
