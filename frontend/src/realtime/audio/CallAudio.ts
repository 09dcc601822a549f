import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import { newIdempotencyKey } from '@/kernel/api'
import type { RealtimeClient, Signal } from '../client'

/** The servers that help two browsers find each other, as `/v1/ice_servers` gives them. */
export interface IceWays {
  ice_servers: RTCIceServer[]
  ice_transport_policy: RTCIceTransportPolicy
}

/**
 * idle: nobody asks for a voice. calling: we ask, nobody has taken it yet. invited: the other side asks.
 * connecting: both agree, a way is being looked for. talking. failed: see `failure`; the call goes on in writing.
 */
export type AudioState = 'idle' | 'calling' | 'invited' | 'connecting' | 'talking' | 'failed'

/** Why there is no voice: no permission, no microphone, no way between the browsers, no signals. */
export type AudioFailure = 'denied' | 'no_microphone' | 'no_way' | 'unavailable'

interface Offered {
  kind: 'invite' | 'join' | 'hello'
}
interface Ended {
  kind: 'bye'
  /** Nobody hung up: no way was found, or no microphone. */
  failed?: true
}
interface Taken {
  kind: 'taken'
  by: string
}
interface Described {
  kind: 'description'
  description: RTCSessionDescriptionInit
}
interface Found {
  kind: 'candidate'
  candidate: RTCIceCandidateInit
}
type Word = Offered | Ended | Taken | Described | Found

/** Looking for a way longer than this is looking in vain. */
const WAY_MAX_MS = 15_000

/**
 * The voice of one call on one page. Whoever asks sends `invite` to all; the first page that answers `join` is the
 * partner and gets an offer. Pages that come later say `hello` and are invited too. If both ask at once, the page
 * with the smaller name waits for the other's offer. Sound goes from browser to browser; only words pass the server.
 */
export class CallAudio {
  readonly state: Ref<AudioState> = ref('idle')
  readonly failure: Ref<AudioFailure | null> = ref(null)
  readonly muted = ref(false)
  /** What the other side says, for an audio element. */
  readonly remote: ShallowRef<MediaStream | null> = shallowRef(null)

  private readonly peer = newIdempotencyKey()
  private partner: string | null = null
  private connection: RTCPeerConnection | null = null
  private microphone: MediaStream | null = null
  private early: RTCIceCandidateInit[] = []
  private patience: ReturnType<typeof setTimeout> | undefined
  private readonly hangUpLine: () => void
  /** One word after the other: a candidate must not overtake the description it belongs to. */
  private turn: Promise<void> = Promise.resolve()

  constructor(
    private readonly realtime: RealtimeClient,
    private readonly channel: string,
    private readonly ways: () => Promise<IceWays>,
  ) {
    this.hangUpLine = realtime.talk(channel, {
      peer: this.peer,
      onTalking: () => {
        if (this.state.value === 'idle') this.say({ kind: 'hello' })
      },
      onSignal: (signal) => {
        this.turn = this.turn.then(() => this.hear(signal)).catch(() => this.fail('no_way'))
      },
      onRefused: (code) => {
        if (code === 'AUDIO_UNAVAILABLE' && this.state.value !== 'idle') this.fail('unavailable')
      },
    })
  }

  /** Ask the other side to talk. */
  async call(): Promise<void> {
    if (!(await this.takeMicrophone())) return
    this.state.value = 'calling'
    this.say({ kind: 'invite' })
  }

  /** Take up the other side's invitation. */
  async accept(): Promise<void> {
    const partner = this.partner
    if (partner === null || !(await this.takeMicrophone())) return
    this.state.value = 'connecting'
    this.waitForWay()
    this.say({ kind: 'join' }, partner)
  }

  /** Not now, or no more. */
  hangUp(): void {
    if (this.state.value === 'calling') this.say({ kind: 'bye' })
    else if (this.partner !== null) this.say({ kind: 'bye' }, this.partner)
    this.end('idle')
  }

  toggleMute(): void {
    this.muted.value = !this.muted.value
    this.applyMute()
  }

  /** The page is left. */
  close(): void {
    this.hangUp()
    this.hangUpLine()
  }

  private say(word: Word, to?: string): void {
    this.realtime.signal(this.channel, { ...word }, to)
  }

  private async hear(signal: Signal): Promise<void> {
    const word = signal.data as unknown as Word
    const fromPartner = signal.peer === this.partner
    if (word.kind === 'invite') this.beInvited(signal.peer)
    else if (word.kind === 'hello' && this.state.value === 'calling') this.say({ kind: 'invite' }, signal.peer)
    else if (word.kind === 'join') await this.beJoined(signal.peer)
    else if (word.kind === 'description' && fromPartner) await this.describe(word.description)
    else if (word.kind === 'candidate' && fromPartner) await this.take(word.candidate)
    else if (word.kind === 'taken' && fromPartner && word.by !== this.peer) this.end('idle')
    else if (word.kind === 'bye' && fromPartner) this.beLeft(word)
  }

  private beInvited(peer: string): void {
    if (this.state.value === 'calling' && this.peer < peer) {
      // Both asked: that is an agreement, and the other one makes the offer.
      this.partner = peer
      this.state.value = 'connecting'
      this.waitForWay()
      this.say({ kind: 'join' }, peer)
    } else if (this.state.value === 'idle' || this.state.value === 'failed') {
      this.partner = peer
      this.failure.value = null
      this.state.value = 'invited'
    }
  }

  private async beJoined(peer: string): Promise<void> {
    if (this.state.value !== 'calling') {
      // Another page was quicker.
      this.say({ kind: 'bye' }, peer)
      return
    }
    this.partner = peer
    this.state.value = 'connecting'
    this.waitForWay()
    this.say({ kind: 'taken', by: peer })
    const connection = await this.connect()
    await connection.setLocalDescription()
    this.sayDescription(connection)
  }

  private async describe(description: RTCSessionDescriptionInit): Promise<void> {
    const connection = this.connection ?? (await this.connect())
    await connection.setRemoteDescription(description)
    for (const candidate of this.early.splice(0)) await connection.addIceCandidate(candidate)
    if (description.type !== 'offer') return
    await connection.setLocalDescription()
    this.sayDescription(connection)
  }

  private async take(candidate: RTCIceCandidateInit): Promise<void> {
    if (this.connection?.remoteDescription) await this.connection.addIceCandidate(candidate)
    else this.early.push(candidate)
  }

  private async connect(): Promise<RTCPeerConnection> {
    const ways = await this.ways()
    const connection = new RTCPeerConnection({
      iceServers: ways.ice_servers,
      iceTransportPolicy: ways.ice_transport_policy,
    })
    this.connection = connection
    for (const track of this.microphone?.getAudioTracks() ?? []) {
      if (this.microphone) connection.addTrack(track, this.microphone)
    }
    connection.getTransceivers().forEach(speakOpusOnly)
    connection.onicecandidate = ({ candidate }) => {
      if (candidate && this.partner) this.say({ kind: 'candidate', candidate: candidate.toJSON() }, this.partner)
    }
    connection.ontrack = ({ streams }) => {
      this.remote.value = streams[0] ?? null
    }
    connection.onconnectionstatechange = () => this.follow(connection)
    return connection
  }

  private sayDescription(connection: RTCPeerConnection): void {
    const description = connection.localDescription
    if (description && this.partner) {
      this.say({ kind: 'description', description: { type: description.type, sdp: description.sdp } }, this.partner)
    }
  }

  private follow(connection: RTCPeerConnection): void {
    if (connection !== this.connection) return
    if (connection.connectionState === 'connected') {
      clearTimeout(this.patience)
      this.state.value = 'talking'
    } else if (connection.connectionState === 'disconnected') {
      this.state.value = 'connecting'
      this.waitForWay()
    } else if (connection.connectionState === 'failed') {
      this.fail('no_way')
    }
  }

  private waitForWay(): void {
    clearTimeout(this.patience)
    this.patience = setTimeout(() => this.fail('no_way'), WAY_MAX_MS)
  }

  private async takeMicrophone(): Promise<boolean> {
    this.failure.value = null
    try {
      // Without TLS, and not on this machine, a browser has no microphone to offer at all.
      if (!navigator.mediaDevices) throw new DOMException('', 'NotFoundError')
      this.microphone ??= await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      })
      this.applyMute()
      return true
    } catch (error) {
      const denied = error instanceof DOMException && error.name === 'NotAllowedError'
      this.fail(denied ? 'denied' : 'no_microphone')
      return false
    }
  }

  private applyMute(): void {
    for (const track of this.microphone?.getAudioTracks() ?? []) track.enabled = !this.muted.value
  }

  private fail(why: AudioFailure): void {
    if (this.partner !== null) this.say({ kind: 'bye', failed: true }, this.partner)
    this.end('failed')
    this.failure.value = why
  }

  /** Whose patience ends first tells the other one that it did not work, and not merely that it is over. */
  private beLeft(word: Ended): void {
    this.end(word.failed ? 'failed' : 'idle')
    if (word.failed) this.failure.value = 'no_way'
  }

  private end(state: 'idle' | 'failed'): void {
    clearTimeout(this.patience)
    this.connection?.close()
    this.connection = null
    this.partner = null
    this.early = []
    this.remote.value = null
    this.muted.value = false
    for (const track of this.microphone?.getTracks() ?? []) track.stop()
    this.microphone = null
    this.state.value = state
  }
}

/** One codec that every browser has: the description stays short enough for one message. */
function speakOpusOnly(transceiver: RTCRtpTransceiver): void {
  const codecs = RTCRtpReceiver.getCapabilities('audio')?.codecs.filter((codec) => codec.mimeType === 'audio/opus')
  if (codecs?.length) transceiver.setCodecPreferences(codecs)
}
