import { ref } from 'vue'
import { spokenYuan, spokenYuanInEnglish } from '@/kernel/money'
import { readStored, writeStored } from '@/kernel/storage'

const KEY = 'guanjia.till.sound'
export const soundOn = ref(readStored<boolean>(KEY) ?? true)

let context: AudioContext | null = null

export function setSound(on: boolean): void {
  soundOn.value = on
  writeStored(KEY, on)
}

/** Two rising tones and the sum aloud: known without looking. */
export function soundPaid(amountFen: number, english: boolean): void {
  if (!soundOn.value) return
  tone(880, 0, 0.12)
  tone(1318, 0.13, 0.22)
  speak(english ? `Paid, ${spokenYuanInEnglish(amountFen)}` : `支付成功 ${spokenYuan(amountFen)}`, english)
}

/** Low and doubled: never to be taken for the other. */
export function soundRefused(reason: string, english: boolean): void {
  if (!soundOn.value) return
  tone(220, 0, 0.18, 'square')
  tone(196, 0.24, 0.3, 'square')
  speak(reason, english)
}

/** A question is waiting. */
export function soundAsk(): void {
  if (!soundOn.value) return
  tone(587, 0, 0.1)
  tone(587, 0.16, 0.1)
}

export function tone(frequency: number, afterS: number, lastsS: number, type: OscillatorType = 'sine'): void {
  try {
    context ??= new AudioContext()
    if (context.state === 'suspended') void context.resume()
    const start = context.currentTime + afterS
    const oscillator = new OscillatorNode(context, { frequency, type })
    const volume = new GainNode(context, { gain: 0 })
    volume.gain.setValueAtTime(0, start)
    volume.gain.linearRampToValueAtTime(type === 'square' ? 0.12 : 0.35, start + 0.01)
    volume.gain.exponentialRampToValueAtTime(0.001, start + lastsS)
    oscillator.connect(volume).connect(context.destination)
    oscillator.start(start)
    oscillator.stop(start + lastsS)
  } catch {
    // A till without a loudspeaker still shows its colours.
  }
}

/**
 * Only by a voice of the language: another one makes noise of it, and then the tones alone say more. Browsers
 * load their voices late; the first call to getVoices asks for them.
 */
function speak(text: string, english: boolean): void {
  const voice = voiceFor(english ? 'en' : 'zh')
  if (!voice) return
  speechSynthesis.cancel()
  const words = new SpeechSynthesisUtterance(text)
  words.voice = voice
  words.lang = voice.lang
  words.rate = 1.15
  speechSynthesis.speak(words)
}

export function voiceFor(language: 'zh' | 'en'): SpeechSynthesisVoice | null {
  if (!('speechSynthesis' in window)) return null
  const fitting = speechSynthesis.getVoices().filter((voice) => voice.lang.toLowerCase().startsWith(language))
  // Cantonese is Chinese too, but not what most tills' people speak.
  return fitting.find((voice) => !/hk|yue/i.test(voice.lang)) ?? fitting[0] ?? null
}

/** Asked for at the start, so that the first payment is spoken too. */
export function warmVoices(): void {
  voiceFor('zh')
}
