import { onMounted, onScopeDispose } from 'vue'

/** Keeps the screen lit while a code is held out; where the browser cannot, nothing is lost. */
export function useWakeLock(): void {
  let lock: WakeLockSentinel | null = null

  async function hold(): Promise<void> {
    if (document.hidden || !('wakeLock' in navigator)) return
    try {
      lock = await navigator.wakeLock.request('screen')
    } catch {
      // Refused on low battery: the hint about brightness is still on the page.
    }
  }
  const whenShown = () => void hold()
  onMounted(() => {
    void hold()
    document.addEventListener('visibilitychange', whenShown)
  })
  onScopeDispose(() => {
    document.removeEventListener('visibilitychange', whenShown)
    void lock?.release()
  })
}
