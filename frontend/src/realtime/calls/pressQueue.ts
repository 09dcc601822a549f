import { newIdempotencyKey } from '@/kernel/api'
import type { Shelf } from '@/kernel/kept'
import type { CallKind, ChosenPlace } from './types'

/** One press of the button: its own name keeps it one call, however often it is sent. */
export interface Press {
  client_id: string
  kind: CallKind
  place: ChosenPlace | null
  words: string
  pressed_at: number
}

const NAME = 'call.press'
const LAST_PLACE = 'call.place'
/** Help that was wanted so long ago is asked for anew, not sent by itself. */
const STALE_MS = 30 * 60_000

export function newPress(kind: CallKind, place: ChosenPlace | null, words: string): Press {
  return { client_id: asUuid(newIdempotencyKey()), kind, place, words, pressed_at: Date.now() }
}

/** Written down before it is sent, so that neither a tunnel nor a closed page loses it. */
export class PressQueue {
  constructor(private readonly shelf: Shelf) {}

  waiting(): Press | null {
    const press = this.shelf.read<Press>(NAME)?.value ?? null
    if (press && Date.now() - press.pressed_at > STALE_MS) {
      this.clear()
      return null
    }
    return press
  }

  keep(press: Press): void {
    this.shelf.write(NAME, press)
  }

  clear(): void {
    this.shelf.remove(NAME)
  }

  lastPlace(): ChosenPlace | null {
    return this.shelf.read<ChosenPlace>(LAST_PLACE)?.value ?? null
  }

  rememberPlace(place: ChosenPlace): void {
    this.shelf.write(LAST_PLACE, place)
  }
}

/** A key without hyphens is a UUID all the same. */
function asUuid(key: string): string {
  if (key.includes('-')) return key
  return [key.slice(0, 8), key.slice(8, 12), key.slice(12, 16), key.slice(16, 20), key.slice(20)].join('-')
}
