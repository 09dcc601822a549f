import { inject, onScopeDispose, type InjectionKey } from 'vue'
import { RealtimeClient, type Listener } from './client'

export const RealtimeKey: InjectionKey<RealtimeClient> = Symbol('realtime')

export function useRealtime(): RealtimeClient {
  const client = inject(RealtimeKey)
  if (!client) throw new Error('no RealtimeClient is provided above this component')
  return client
}

/** A socket that lives as long as the component that made it. */
export function createRealtime(token: () => string | null): RealtimeClient {
  const client = new RealtimeClient(token)
  onScopeDispose(() => client.close())
  return client
}

/** Listens for the life of the component. */
export function useChannel(channel: string, listener: Listener, after: number | null = null): RealtimeClient {
  const client = useRealtime()
  onScopeDispose(client.subscribe(channel, listener, after))
  return client
}
