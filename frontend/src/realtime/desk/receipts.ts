import { nextTick, onScopeDispose } from 'vue'
import type { ApiClient } from '@/kernel/api'
import { deviceName } from './device'

/**
 * What became of a ring on this page. `sent`: it has arrived. `shown`: it stands on a screen that can be seen: drawn, and the
 * page in front. A page in the background says nothing until it is looked at.
 */
export function useReceipts(api: ApiClient): (call: string, round: number) => void {
  const device = deviceName()
  const told = new Map<string, 'sent' | 'shown'>()
  let pending: { call: string; round: number }[] = []

  function tell(call: string, round: number, status: 'sent' | 'shown'): void {
    const body = { device, ring_round: round, status }
    // A receipt that does not arrive is told by the next one; the call itself goes on ringing.
    api.post(`/v1/calls/${call}/receipts`, body).catch(() => told.delete(`${call} ${round}`))
  }

  async function show(call: string, round: number): Promise<void> {
    await nextTick()
    await new Promise((drawn) => requestAnimationFrame(drawn))
    if (document.visibilityState !== 'visible') {
      pending.push({ call, round })
      return
    }
    const key = `${call} ${round}`
    if (told.get(key) === 'shown') return
    told.set(key, 'shown')
    tell(call, round, 'shown')
  }

  function take(call: string, round: number): void {
    const key = `${call} ${round}`
    if (told.has(key)) return
    if (document.visibilityState === 'visible') {
      told.set(key, 'sent')
      void show(call, round)
      return
    }
    // No frame is drawn in the background, so this page waits until somebody looks.
    told.set(key, 'sent')
    tell(call, round, 'sent')
    pending.push({ call, round })
  }

  function looked(): void {
    if (document.visibilityState !== 'visible') return
    const waiting = pending
    pending = []
    for (const { call, round } of waiting) void show(call, round)
  }
  document.addEventListener('visibilitychange', looked)
  onScopeDispose(() => document.removeEventListener('visibilitychange', looked))
  return take
}
