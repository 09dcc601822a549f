import { beforeEach, describe, expect, it, vi } from 'vitest'
import { Shelf } from '@/kernel/shelf'
import { attendeeCodeIn, isSigned } from './attendeeCode'
import { ScanQueue, type Scan } from './scanQueue'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

function toBase32(bytes: Uint8Array): string {
  let text = ''
  let bits = ''
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0')
  for (let at = 0; at < bits.length; at += 5) text += ALPHABET[parseInt(bits.slice(at, at + 5).padEnd(5, '0'), 2)]
  return text
}

async function signed(): Promise<{ text: string; publicKey: string }> {
  const keys = (await crypto.subtle.generateKey({ name: 'Ed25519' }, true, ['sign', 'verify'])) as CryptoKeyPair
  const head = new Uint8Array([0x11, ...Array.from({ length: 16 }, (_, index) => index), 0x01, 0x02])
  const message = new Uint8Array([...new TextEncoder().encode('HZM1'), ...head])
  const signature = new Uint8Array(await crypto.subtle.sign({ name: 'Ed25519' }, keys.privateKey, message))
  const raw = new Uint8Array(await crypto.subtle.exportKey('raw', keys.publicKey))
  return {
    text: toBase32(new Uint8Array([...head, ...signature])),
    publicKey: btoa(String.fromCharCode(...raw)),
  }
}

describe("an attendee's code", () => {
  it('is found in an address, and says whose it is', async () => {
    const { text } = await signed()
    const code = attendeeCodeIn(`https://house.example/guide/${text.toLowerCase()}`)
    expect(code).toEqual({ text, guest: '000102030405060708090a0b0c0d0e0f', issue: 258 })
    expect(attendeeCodeIn('https://house.example/pay/HZP1ABC')).toBeNull()
  })

  it('is told from one that the house has not signed', async () => {
    const { text, publicKey } = await signed()
    const mine = attendeeCodeIn(text)
    const other = attendeeCodeIn((await signed()).text)
    if (!mine || !other) throw new Error('no code')
    expect(await isSigned(mine, publicKey)).toBe(true)
    expect(await isSigned(other, publicKey)).toBe(false)
  })
})

describe('scans without a network', () => {
  const scan = (nonce: string): Scan => ({ code: 'HZM1A', line: 'mln_1', nonce, happened_at: '2026-11-24T01:00:00Z' })
  beforeEach(() => {
    const kept = new Map<string, string>()
    vi.stubGlobal('localStorage', {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => kept.set(key, value),
      removeItem: (key: string) => kept.delete(key),
    })
  })

  it('are kept until the server has answered each, and no longer', () => {
    const queue = new ScanQueue(new Shelf('test.'), 'mtg_1')
    queue.keep(scan('a'))
    queue.keep(scan('b'))
    expect(queue.knows('HZM1A', 'mln_1')).toBe(true)
    expect(queue.knows('HZM1A', 'mln_2')).toBe(false)
    queue.drop(['a'])
    expect(queue.waiting().map((each) => each.nonce)).toEqual(['b'])
    queue.drop(['b'])
    expect(queue.waiting()).toEqual([])
  })

  it('of another meeting stay apart', () => {
    const shelf = new Shelf('test.')
    new ScanQueue(shelf, 'mtg_1').keep(scan('a'))
    expect(new ScanQueue(shelf, 'mtg_2').waiting()).toEqual([])
  })
})
