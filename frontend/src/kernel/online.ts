import { onScopeDispose, ref, type Ref } from 'vue'

/** What the device itself knows about its network. */
export function useOnline(): Ref<boolean> {
  const online = ref(navigator.onLine)
  const update = () => {
    online.value = navigator.onLine
  }
  window.addEventListener('online', update)
  window.addEventListener('offline', update)
  onScopeDispose(() => {
    window.removeEventListener('online', update)
    window.removeEventListener('offline', update)
  })
  return online
}
