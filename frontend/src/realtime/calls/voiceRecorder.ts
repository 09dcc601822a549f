import { onScopeDispose, ref, type Ref } from 'vue'

const TYPES = ['audio/webm;codecs=opus', 'audio/mp4', 'audio/ogg;codecs=opus'] as const
export const SECONDS_MAX = 60

export type RecorderState = 'idle' | 'asking' | 'recording' | 'denied' | 'impossible'

export interface VoiceRecorder {
  state: Ref<RecorderState>
  seconds: Ref<number>
  start: () => Promise<void>
  /** Ends the note and gives it; null where there was none. */
  stop: () => Promise<Blob | null>
  cancel: () => void
}

/** A voice note of at most a minute, in whatever container this browser writes. */
export function useVoiceRecorder(): VoiceRecorder {
  const state = ref<RecorderState>('idle')
  const seconds = ref(0)
  let recorder: MediaRecorder | null = null
  let parts: Blob[] = []
  let clock: ReturnType<typeof setInterval> | undefined

  async function start(): Promise<void> {
    const type =
      typeof MediaRecorder === 'undefined' ? undefined : TYPES.find((each) => MediaRecorder.isTypeSupported(each))
    if (!type || !navigator.mediaDevices) {
      state.value = 'impossible'
      return
    }
    state.value = 'asking'
    let stream: MediaStream
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true })
    } catch {
      state.value = 'denied'
      return
    }
    parts = []
    recorder = new MediaRecorder(stream, { mimeType: type, audioBitsPerSecond: 32_000 })
    recorder.ondataavailable = (event) => parts.push(event.data)
    recorder.start()
    seconds.value = 0
    state.value = 'recording'
    clock = setInterval(() => {
      seconds.value += 1
      if (seconds.value >= SECONDS_MAX) recorder?.stop()
    }, 1000)
  }

  async function stop(): Promise<Blob | null> {
    const mine = recorder
    if (!mine) return null
    if (mine.state !== 'inactive') {
      const ended = new Promise((resolve) => mine.addEventListener('stop', resolve, { once: true }))
      mine.stop()
      await ended
    }
    const note = parts.length > 0 ? new Blob(parts, { type: mine.mimeType.split(';')[0] }) : null
    release()
    return note
  }

  function release(): void {
    clearInterval(clock)
    recorder?.stream.getTracks().forEach((track) => track.stop())
    recorder = null
    state.value = 'idle'
  }

  function cancel(): void {
    parts = []
    if (recorder && recorder.state !== 'inactive') recorder.stop()
    release()
  }

  onScopeDispose(cancel)
  return { state, seconds, start, stop, cancel }
}
