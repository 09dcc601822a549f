import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RealtimeClient, type RealtimeEvent } from './client'

/** The other end of the line, moved by hand. */
class FakeSocket {
  static readonly OPEN = 1
  static all: FakeSocket[] = []
  readyState = 0
  sent: Record<string, unknown>[] = []
  onopen: (() => void) | null = null
  onmessage: ((message: { data: string }) => void) | null = null
  onclose: (() => void) | null = null

  constructor() {
    FakeSocket.all.push(this)
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>)
  }
  close(): void {
    this.readyState = 3
  }
  open(): void {
    this.readyState = FakeSocket.OPEN
    this.onopen?.()
  }
  tell(frame: Record<string, unknown>): void {
    this.onmessage?.({ data: JSON.stringify(frame) })
  }
  drop(): void {
    this.onclose?.()
  }
}

const CHANNEL = 'canteen:can_1'
const event = (position: number) => ({
  op: 'event',
  channel: CHANNEL,
  position,
  type: 'payment.succeeded',
  data: {},
  happened_at: '',
})
const subscribes = (socket: FakeSocket) => socket.sent.filter((frame) => frame.op === 'subscribe')

describe('RealtimeClient', () => {
  let heard: number[] = []
  let resyncs = 0
  let client: RealtimeClient
  const latest = () => FakeSocket.all.at(-1) as FakeSocket

  beforeEach(() => {
    vi.useFakeTimers()
    vi.stubGlobal('WebSocket', FakeSocket)
    vi.stubGlobal('window', { addEventListener: vi.fn(), removeEventListener: vi.fn() })
    FakeSocket.all = []
    heard = []
    resyncs = 0
    client = new RealtimeClient(() => 'token', 'ws://test')
    client.subscribe(
      CHANNEL,
      { onEvent: (each: RealtimeEvent) => heard.push(each.position), onResync: () => (resyncs += 1) },
      7,
    )
    latest().open()
    latest().tell({ op: 'subscribed', channel: CHANNEL, position: 7 })
  })
  afterEach(() => {
    client.close()
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  it('signs in before it subscribes, from the position of the snapshot', () => {
    expect(latest().sent.slice(0, 2)).toEqual([
      { op: 'auth', token: 'token' },
      { op: 'subscribe', channel: CHANNEL, after: 7 },
    ])
  })

  it('asks after a reconnect for what followed, and hands nothing on twice', () => {
    latest().tell(event(8))
    latest().drop()
    expect(client.status.value).toBe('cut')
    vi.advanceTimersByTime(1_000)
    latest().open()
    expect(subscribes(latest())).toEqual([{ op: 'subscribe', channel: CHANNEL, after: 8 }])
    latest().tell(event(8))
    latest().tell(event(9))
    expect(heard).toEqual([8, 9])
  })

  it('does not step over a hole', () => {
    latest().tell(event(10))
    expect(heard).toEqual([])
    expect(subscribes(latest()).at(-1)).toEqual({ op: 'subscribe', channel: CHANNEL, after: 7 })
  })

  it('goes on from the position that a resync names', () => {
    latest().tell({ op: 'resync', channel: CHANNEL, position: 90 })
    latest().tell(event(91))
    expect(resyncs).toBe(1)
    expect(heard).toEqual([91])
  })

  it('calls a silent line cut within 15 seconds', () => {
    expect(client.status.value).toBe('live')
    vi.advanceTimersByTime(15_000)
    expect(FakeSocket.all.length).toBeGreaterThan(1)
    expect(client.status.value).toBe('cut')
  })

  it('does not try again where it is not let in', () => {
    latest().tell({ op: 'error', code: 'UNAUTHENTICATED' })
    vi.advanceTimersByTime(30_000)
    expect(client.status.value).toBe('refused')
    expect(FakeSocket.all).toHaveLength(1)
  })
})
