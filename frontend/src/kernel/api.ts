import { inject, type InjectionKey } from 'vue'
import { ApiError, NetworkError } from './errors'

export type Query = Record<string, string | number | boolean | null | undefined>

interface RequestOptions {
  query?: Query
  body?: unknown
  idempotencyKey?: string
  headers?: Record<string, string>
  signal?: AbortSignal
  timeoutMs?: number
  /** Only where a page fetches what another page has left for it in a cookie. */
  withCookies?: boolean
}

const REQUEST_TIMEOUT_MS = 15_000
const FILE_TIMEOUT_MS = 60_000

/**
 * One caller's way to the server: its token, its language. Two of them live side by side on the demo
 * page, so nothing about the caller is global, and cookies are left out on purpose.
 */
export class ApiClient {
  /** Called when the server no longer knows the token. */
  onUnauthorized: (() => void) | null = null

  constructor(
    private readonly token: () => string | null,
    private readonly language: () => string,
  ) {}

  currentToken(): string | null {
    return this.token()
  }

  get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
    return this.send<T>('GET', path, { query, signal })
  }

  post<T>(path: string, body?: unknown, options: Omit<RequestOptions, 'body'> = {}): Promise<T> {
    return this.send<T>('POST', path, { ...options, body: body ?? {} })
  }

  put<T>(path: string, body: unknown): Promise<T> {
    return this.send<T>('PUT', path, { body })
  }

  patch<T>(path: string, body: unknown): Promise<T> {
    return this.send<T>('PATCH', path, { body })
  }

  /** A file under the name that the server gives it. */
  async file(path: string, query?: Query): Promise<File> {
    const response = await this.fetch('GET', path, { query, timeoutMs: FILE_TIMEOUT_MS })
    if (!response.ok) throw errorFrom(response, await response.text())
    const named = /filename="([^"]+)"/.exec(response.headers.get('Content-Disposition') ?? '')
    return new File([await response.blob()], named?.[1] ?? '', { type: response.headers.get('Content-Type') ?? '' })
  }

  delete<T>(path: string): Promise<T> {
    return this.send<T>('DELETE', path, {})
  }

  private async send<T>(method: string, path: string, options: RequestOptions): Promise<T> {
    const response = await this.fetch(method, path, options)
    const text = await response.text().catch((cause: unknown) => {
      throw new NetworkError(cause)
    })
    if (!response.ok) {
      const error = errorFrom(response, text)
      // A wrong password or code is a 401 too, and no reason to sign anybody out.
      if (error.code === 'UNAUTHENTICATED') this.onUnauthorized?.()
      throw error
    }
    return (text ? JSON.parse(text) : undefined) as T
  }

  private async fetch(method: string, path: string, options: RequestOptions): Promise<Response> {
    const headers = new Headers({ Accept: 'application/json', 'Accept-Language': this.language() })
    const token = this.token()
    if (token) headers.set('Authorization', `Bearer ${token}`)
    for (const [name, value] of Object.entries(options.headers ?? {})) headers.set(name, value)
    if (options.idempotencyKey) headers.set('Idempotency-Key', options.idempotencyKey)
    let body: BodyInit | undefined
    if (options.body instanceof FormData) {
      body = options.body
    } else if (options.body !== undefined) {
      headers.set('Content-Type', 'application/json')
      body = JSON.stringify(options.body)
    }
    const timeout = AbortSignal.timeout(options.timeoutMs ?? REQUEST_TIMEOUT_MS)
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout
    try {
      return await fetch(path + queryString(options.query), {
        method,
        headers,
        body,
        signal,
        credentials: options.withCookies ? 'same-origin' : 'omit',
      })
    } catch (cause) {
      if (options.signal?.aborted) throw cause
      throw new NetworkError(cause)
    }
  }
}

function queryString(query: Query | undefined): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== null && value !== undefined && value !== '') search.set(name, String(value))
  }
  const text = search.toString()
  return text ? `?${text}` : ''
}

function errorFrom(response: Response, text: string): ApiError {
  let body: { code?: string; message?: string; data?: Record<string, unknown>; request_id?: string } = {}
  try {
    body = JSON.parse(text) as typeof body
  } catch {
    // A proxy in between may answer with a page of its own; the status still says enough.
  }
  const retryAfter = Number(response.headers.get('Retry-After'))
  return new ApiError(
    response.status,
    body.code ?? `HTTP_${response.status}`,
    body.message ?? response.statusText,
    body.data ?? {},
    body.request_id ?? response.headers.get('X-Request-Id'),
    Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null,
  )
}

/** A fresh key for one act that moves money; keep it and send it again when no answer came. */
export function newIdempotencyKey(): string {
  // randomUUID exists only where the page is served securely; a till on the local network may not be.
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID()
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export const ApiKey: InjectionKey<ApiClient> = Symbol('api')

export function useApi(): ApiClient {
  const api = inject(ApiKey)
  if (!api) throw new Error('no ApiClient is provided above this component')
  return api
}
