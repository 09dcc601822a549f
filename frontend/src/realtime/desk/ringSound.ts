import { computed, ref } from 'vue'
import { readStored, writeStored } from '@/kernel/storage'

/**
 * The desk's ring. Browsers play nothing before somebody has touched the page, so the sound is switched on by hand, once for
 * each opening, and tried; whoever declines sees for good that this screen is silent.
 */
export type SoundState = 'asked' | 'on' | 'declined'

const KEY = 'guanjia.desk.sound'
const RING_EVERY_MS = 1_600
let context: AudioContext | null = null
let ringing: ReturnType<typeof setInterval> | undefined

// Who has once declined is not asked again at each opening; the strip above the desk goes on saying it.
const choice = ref<SoundState>(readStored<boolean>(KEY) === false ? 'declined' : 'asked')
export const soundState = computed(() => choice.value)

/** Called from a click or a key, as browsers demand. Says whether the page may now be heard. */
export async function switchOn(): Promise<boolean> {
  try {
    context ??= new AudioContext()
    await context.resume()
  } catch {
    return false
  }
  if (context.state !== 'running') return false
  ringOnce()
  return true
}

export function soundHeard(): void {
  choice.value = 'on'
  writeStored(KEY, true)
}

export function soundDeclined(): void {
  choice.value = 'declined'
  writeStored(KEY, false)
}

/** Rings until `stopRinging`, however often it is called. */
export function startRinging(): void {
  if (ringing !== undefined || choice.value !== 'on') return
  ringOnce()
  ringing = setInterval(ringOnce, RING_EVERY_MS)
}

export function stopRinging(): void {
  clearInterval(ringing)
  ringing = undefined
}

/** Two high tones, twice: unlike a telephone, a till, or a message. */
function ringOnce(): void {
  for (const [frequency, after] of [
    [988, 0],
    [1319, 0.18],
    [988, 0.42],
    [1319, 0.6],
  ] as const)
    tone(frequency, after, 0.17)
}

function tone(frequency: number, afterS: number, lastsS: number): void {
  if (!context) return
  const start = context.currentTime + afterS
  const oscillator = new OscillatorNode(context, { frequency, type: 'square' })
  const volume = new GainNode(context, { gain: 0 })
  volume.gain.setValueAtTime(0, start)
  volume.gain.linearRampToValueAtTime(0.5, start + 0.01)
  volume.gain.setValueAtTime(0.5, start + lastsS - 0.03)
  volume.gain.linearRampToValueAtTime(0, start + lastsS)
  oscillator.connect(volume).connect(context.destination)
  oscillator.start(start)
  oscillator.stop(start + lastsS)
}
