import { beforeEach, describe, expect, it, vi } from 'vitest'

/** What a till would sound like: tones by their frequency, and words. */
const heard: (number | string)[] = []

function voices(...languages: string[]): void {
  vi.stubGlobal('speechSynthesis', {
    getVoices: () => languages.map((lang) => ({ lang })),
    speak: (words: { text: string; lang: string }) => heard.push(`${words.lang}: ${words.text}`),
    cancel: () => undefined,
  })
  // A module looks for speechSynthesis on the window.
  vi.stubGlobal('window', globalThis)
}

class Node {
  gain = { setValueAtTime: () => 0, linearRampToValueAtTime: () => 0, exponentialRampToValueAtTime: () => 0 }
  connect = <T>(next: T): T => next
  start = () => undefined
  stop = () => undefined
}

class Oscillator extends Node {
  constructor(_: unknown, options: { frequency: number }) {
    super()
    heard.push(options.frequency)
  }
}

describe('a till', () => {
  beforeEach(() => {
    heard.length = 0
    vi.resetModules()
    vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => undefined })
    vi.stubGlobal(
      'AudioContext',
      class {
        state = 'running'
        currentTime = 0
        destination = {}
      },
    )
    vi.stubGlobal('OscillatorNode', Oscillator)
    vi.stubGlobal('GainNode', Node)
    vi.stubGlobal(
      'SpeechSynthesisUtterance',
      class {
        constructor(readonly text: string) {}
      },
    )
  })

  it('says the sum in the language of its cashier, after two rising tones', async () => {
    voices('zh-CN', 'en-GB')
    const { soundPaid } = await import('./sound')
    soundPaid(1800, false)
    soundPaid(1850, true)
    expect(heard).toEqual([880, 1318, 'zh-CN: 支付成功 十八元', 880, 1318, 'en-GB: Paid, eighteen yuan fifty'])
  })

  it('refuses in another sound and says why', async () => {
    voices('zh-CN')
    const { soundRefused } = await import('./sound')
    soundRefused('付款码已使用', false)
    expect(heard).toEqual([220, 196, 'zh-CN: 付款码已使用'])
  })

  it('without a voice of the language leaves it to the tones', async () => {
    voices('de-DE')
    const { soundPaid, soundRefused } = await import('./sound')
    soundPaid(1800, false)
    soundRefused('付款码已使用', false)
    expect(heard).toEqual([880, 1318, 220, 196])
  })
})
