/** What the server said no to: its stable code, its sentence in the reader's language, and the id to quote. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly data: Record<string, unknown>,
    readonly requestId: string | null,
    readonly retryAfterS: number | null,
  ) {
    super(message)
    this.name = 'ApiError'
  }

  /** The server did not decide: the same request may be sent again. */
  get retryable(): boolean {
    return this.status === 429 || this.status === 502 || this.status === 503 || this.status === 504
  }
}

/** No answer came: the request may or may not have arrived. */
export class NetworkError extends Error {
  constructor(cause: unknown) {
    super('network', { cause })
    this.name = 'NetworkError'
  }
}
