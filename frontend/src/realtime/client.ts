import { ref, type Ref } from 'vue'

/** Facts come one by one with a position; boards carry only their latest value. */
export interface RealtimeEvent {
  channel: string
  position: number
  id?: string
  type: string
  version?: number
  data: Record<string, unknown>
  happened_at: string
}

export interface RealtimeBoard {
  channel: string
  type: string
  data: Record<string, unknown>
}

export interface Listener {
  onEvent?: (event: RealtimeEvent) => void
  onBoard?: (board: RealtimeBoard) => void
  /** What was missed is gone: fetch the snapshot again. */
  onResync?: () => void
}

/** What another page of a call's talkers passed on: `from` is its person, `peer` the page. */
export interface Signal {
  channel: string
  from: string
  peer: string
  data: Record<string, unknown>
}

/** One page's part in the audio signals of a call. */
export interface TalkLine {
  peer: string
  /** The server lets us take part: also after each new start of the line. */
  onTalking: () => void
  onSignal: (signal: Signal) => void
  onRefused: (code: string) => void
}

/**
 * connecting: not yet answered. live: heard from within the last seconds. cut: the line is down and
 * being retried. refused: the server does not let this caller in; retrying would not help.
 */
export type LineStatus = 'connecting' | 'live' | 'cut' | 'refused'

interface Subscription {
  listeners: Set<Listener>
  /** The last position seen, or null while none is known ("from now"). */
  position: number | null
  confirmed: boolean
}

type Frame =
  | { op: 'subscribed'; channel: string; position: number }
  | { op: 'resync'; channel: string; position?: number }
  | ({ op: 'event' } & RealtimeEvent)
  | ({ op: 'board' } & RealtimeBoard)
  | { op: 'talking'; channel: string }
  | ({ op: 'signal' } & Signal)
  | { op: 'error'; code: string; channel?: string }
  | { op: 'pong' }
  | { op: 'authenticated' }

const PING_EVERY_MS = 5_000
const SILENCE_MAX_MS = 9_000
const BACK_OFF_MS = [300, 700, 1_500, 3_000, 5_000] as const
const REFUSALS = new Set(['UNAUTHORIZED', 'UNAUTHENTICATED', 'TOKEN_REVOKED'])

/**
 * One socket with many channels. Positions are kept per channel, so after a reconnect the server is
 * asked for exactly what followed: nothing is missed and nothing is handed on twice.
 */
export class RealtimeClient {
  readonly status: Ref<LineStatus> = ref('connecting')
  /** When the server was last heard, in this device's time. */
  readonly heardAt: Ref<number | null> = ref(null)

  private socket: WebSocket | null = null
  private readonly subscriptions = new Map<string, Subscription>()
  private readonly lines = new Map<string, TalkLine>()
  private attempts = 0
  private reconnectTimer: ReturnType<typeof setTimeout> | null = null
  private pulse: ReturnType<typeof setInterval> | null = null
  private closed = false

  constructor(
    private readonly token: () => string | null,
    private readonly url: string = defaultUrl(),
  ) {}

  /** Listens to a channel from `after` on (null: from now); returns the way to stop. */
  subscribe(channel: string, listener: Listener, after: number | null = null): () => void {
    let subscription = this.subscriptions.get(channel)
    if (subscription) {
      subscription.listeners.add(listener)
    } else {
      subscription = { listeners: new Set([listener]), position: after, confirmed: false }
      this.subscriptions.set(channel, subscription)
      this.sendSubscribe(channel, subscription)
    }
    this.open()
    return () => this.unsubscribe(channel, listener)
  }

  /** Takes part in a call's audio signals; returns the way to stop. */
  talk(channel: string, line: TalkLine): () => void {
    this.lines.set(channel, line)
    this.send({ op: 'talk', channel, peer: line.peer })
    this.open()
    return () => {
      if (this.lines.get(channel) === line) this.lines.delete(channel)
    }
  }

  /** To the other pages of the call, or to one of them. */
  signal(channel: string, data: Record<string, unknown>, to?: string): void {
    this.send(to === undefined ? { op: 'signal', channel, data } : { op: 'signal', channel, data, to })
  }

  close(): void {
    this.closed = true
    window.removeEventListener('online', this.retryNow)
    if (this.reconnectTimer) clearTimeout(this.reconnectTimer)
    this.drop()
    this.subscriptions.clear()
  }

  private unsubscribe(channel: string, listener: Listener): void {
    const subscription = this.subscriptions.get(channel)
    if (!subscription) return
    subscription.listeners.delete(listener)
    if (subscription.listeners.size > 0) return
    this.subscriptions.delete(channel)
    this.send({ op: 'unsubscribe', channel })
  }

  private open(): void {
    if (this.socket || this.closed || this.reconnectTimer) return
    window.addEventListener('online', this.retryNow)
    const socket = new WebSocket(this.url)
    this.socket = socket
    const openedAt = Date.now()
    socket.onopen = () => {
      const token = this.token()
      if (token) this.send({ op: 'auth', token })
      for (const [channel, subscription] of this.subscriptions) this.sendSubscribe(channel, subscription)
      for (const [channel, line] of this.lines) this.send({ op: 'talk', channel, peer: line.peer })
      this.send({ op: 'ping' })
    }
    socket.onmessage = (message: MessageEvent<string>) => {
      if (this.socket === socket) this.receive(message.data)
    }
    socket.onclose = () => {
      if (this.socket === socket) this.lose()
    }
    this.pulse = setInterval(() => this.checkPulse(openedAt), PING_EVERY_MS)
  }

  /** A line that only looks open is the worst kind: silence for nine seconds counts as cut. */
  private checkPulse(openedAt: number): void {
    const silentMs = Date.now() - Math.max(this.heardAt.value ?? 0, openedAt)
    if (silentMs > SILENCE_MAX_MS) this.lose()
    else this.send({ op: 'ping' })
  }

  private lose(): void {
    this.drop()
    if (this.closed || this.status.value === 'refused') return
    this.status.value = 'cut'
    const wait = BACK_OFF_MS[Math.min(this.attempts, BACK_OFF_MS.length - 1)] ?? 5_000
    this.attempts += 1
    // A little chance, so that a canteen's screens do not all come back in the same instant.
    this.reconnectTimer = setTimeout(
      () => {
        this.reconnectTimer = null
        this.open()
      },
      wait * (0.75 + Math.random() * 0.5),
    )
  }

  private readonly retryNow = (): void => {
    if (!this.reconnectTimer) return
    clearTimeout(this.reconnectTimer)
    this.reconnectTimer = null
    this.attempts = 0
    this.open()
  }

  private drop(): void {
    if (this.pulse) clearInterval(this.pulse)
    this.pulse = null
    const socket = this.socket
    this.socket = null
    for (const subscription of this.subscriptions.values()) subscription.confirmed = false
    socket?.close()
  }

  private send(frame: Record<string, unknown>): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame))
  }

  private sendSubscribe(channel: string, subscription: Subscription): void {
    this.send({ op: 'subscribe', channel, after: subscription.position })
  }

  private receive(text: string): void {
    const frame = JSON.parse(text) as Frame
    this.heardAt.value = Date.now()
    if (frame.op === 'error') {
      this.refuse(frame.code, frame.channel)
      return
    }
    this.status.value = 'live'
    this.attempts = 0
    if (frame.op === 'subscribed') this.confirm(frame.channel, frame.position)
    else if (frame.op === 'event') this.deliver(frame)
    else if (frame.op === 'board') this.each(frame.channel, (listener) => listener.onBoard?.(frame))
    else if (frame.op === 'resync') this.resync(frame.channel, frame.position)
    else if (frame.op === 'talking') this.lines.get(frame.channel)?.onTalking()
    else if (frame.op === 'signal') this.lines.get(frame.channel)?.onSignal(frame)
  }

  private refuse(code: string, channel: string | undefined): void {
    if (REFUSALS.has(code)) {
      this.status.value = 'refused'
      this.drop()
    } else if (channel && this.lines.has(channel)) {
      this.lines.get(channel)?.onRefused(code)
    } else if (code === 'FORBIDDEN' && channel) {
      this.subscriptions.delete(channel)
    }
  }

  private confirm(channel: string, position: number): void {
    const subscription = this.subscriptions.get(channel)
    if (!subscription) return
    subscription.confirmed = true
    subscription.position ??= position
  }

  private deliver(event: RealtimeEvent): void {
    const subscription = this.subscriptions.get(event.channel)
    if (!subscription) return
    const last = subscription.position
    if (last !== null && event.position <= last) return
    if (last !== null && event.position > last + 1) {
      // A hole must not be stepped over: ask again for what follows the last one seen.
      this.send({ op: 'unsubscribe', channel: event.channel })
      this.sendSubscribe(event.channel, subscription)
      return
    }
    subscription.position = event.position
    this.each(event.channel, (listener) => listener.onEvent?.(event))
  }

  private resync(channel: string, position: number | undefined): void {
    const subscription = this.subscriptions.get(channel)
    if (!subscription) return
    subscription.position = position ?? null
    this.each(channel, (listener) => listener.onResync?.())
  }

  private each(channel: string, tell: (listener: Listener) => void): void {
    for (const listener of this.subscriptions.get(channel)?.listeners ?? []) tell(listener)
  }
}

function defaultUrl(): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/realtime`
}
