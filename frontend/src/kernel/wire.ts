import type { components } from '@/generated/api'
import type { EventData } from '@/generated/events'

/** A shape of the wire by its name on the OpenAPI page. */
export type Schema<Name extends keyof components['schemas']> = components['schemas'][Name]

/** What an event of a type tells whoever may hear all of it. */
export type EventOf<Type extends keyof EventData> = EventData[Type]
