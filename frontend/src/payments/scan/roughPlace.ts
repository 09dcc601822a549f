/** Where the phone is, as rough as it is sent: about a hundred metres, and how far it may be off. */
export interface RoughPlace {
  latitude: number
  longitude: number
  accuracy_m: number
}

const WAIT_MS = 4_000
const OLD_ENOUGH_MS = 10 * 60_000

export function canLocate(): boolean {
  return window.isSecureContext && 'geolocation' in navigator
}

/** Whether somebody has allowed it before: only then it is read without being asked for. */
export async function mayLocate(): Promise<boolean> {
  if (!canLocate() || !navigator.permissions) return false
  const status = await navigator.permissions.query({ name: 'geolocation' }).catch(() => null)
  return status?.state === 'granted'
}

/** Null where the phone does not know, or nobody has allowed it. */
export function roughPlace(): Promise<RoughPlace | null> {
  if (!canLocate()) return Promise.resolve(null)
  return new Promise((resolve) => {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) =>
        resolve({
          latitude: coarse(coords.latitude),
          longitude: coarse(coords.longitude),
          accuracy_m: Math.ceil(coords.accuracy),
        }),
      () => resolve(null),
      { enableHighAccuracy: false, timeout: WAIT_MS, maximumAge: OLD_ENOUGH_MS },
    )
  })
}

/** Three decimals of a degree are about a hundred metres. */
function coarse(degrees: number): number {
  return Math.round(degrees * 1000) / 1000
}
