import type { ApiClient } from '@/kernel/api'

/** impossible: this browser cannot. denied: its owner has said no. off, on: as it is now. */
export type PushState = 'impossible' | 'denied' | 'off' | 'on'

export async function pushState(): Promise<PushState> {
  if (!('serviceWorker' in navigator) || !('PushManager' in window) || !('Notification' in window)) return 'impossible'
  if (Notification.permission === 'denied') return 'denied'
  const registration = await navigator.serviceWorker.getRegistration('/')
  return (await registration?.pushManager.getSubscription()) ? 'on' : 'off'
}

/** Lets this browser be told of a ring while no page of its owner is open. Asks for leave; call it from a click. */
export async function switchPushOn(api: ApiClient): Promise<PushState> {
  if ((await Notification.requestPermission()) !== 'granted') return 'denied'
  const registration = await navigator.serviceWorker.register('/sw.js')
  await navigator.serviceWorker.ready
  const { public_key: key } = await api.get<{ public_key: string }>('/v1/me/push_key')
  const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key })
  const { endpoint, keys } = subscription.toJSON()
  await api.post('/v1/me/push_devices', { endpoint, keys, label: nameOfBrowser() })
  return 'on'
}

/** What its owner would call it: enough to know it again in a list. */
function nameOfBrowser(): string {
  const { userAgent } = navigator
  const browser = ['Edg', 'Firefox', 'Chrome', 'Safari'].find((name) => userAgent.includes(name)) ?? 'Browser'
  const system = ['Android', 'iPhone', 'Windows', 'Mac', 'Linux'].find((name) => userAgent.includes(name)) ?? ''
  return `${browser === 'Edg' ? 'Edge' : browser} ${system}`.trim()
}
