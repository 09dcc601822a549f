import { onMounted, onScopeDispose, watch } from 'vue'

/** Keeps the screen lit as long as it is wanted; where the browser cannot, nothing is lost. */
export function useWakeLock(wanted: () => boolean = () => true): void {
  let lock: WakeLockSentinel | null = null

  async function hold(): Promise<void> {
    if (document.hidden || !wanted() || !('wakeLock' in navigator)) return
    try {
      const fresh = await navigator.wakeLock.request('screen')
      // The system takes the lock of a hidden page back; one that it has left us is given back for the fresh one.
      letGo()
      lock = fresh
    } catch {
      // Refused on low battery: the hint about brightness is still on the page.
    }
    if (!wanted()) letGo()
  }
  function letGo(): void {
    void lock?.release()
    lock = null
  }
  const whenShown = () => void hold()
  onMounted(() => {
    watch(wanted, (now) => (now ? void hold() : letGo()), { immediate: true })
    document.addEventListener('visibilitychange', whenShown)
  })
  onScopeDispose(() => {
    document.removeEventListener('visibilitychange', whenShown)
    letGo()
  })
}
