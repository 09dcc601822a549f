import { inject, type InjectionKey } from 'vue'
import type { Session } from './session'
import type { Me } from './types'

export const SessionKey: InjectionKey<Session> = Symbol('session')

/**
 * What the signed-in person may see and press. The server decides; this only keeps buttons off the screen
 * that it would refuse.
 */
export function useRights() {
  const session = inject(SessionKey)
  if (!session) throw new Error('no session is provided above this component')
  return { may: (...roles: string[]) => roles.some((role) => session.person.value?.roles.includes(role)) }
}

export interface Place {
  site: string
  operator: string
}

/** Whether one of these roles counts at a place; regions are left to the server, which knows their tree. */
export function covers(me: Me, roles: string[], place: Place): boolean {
  return me.grants.some((grant) => {
    if (!roles.includes(grant.role)) return false
    const everywhere = !grant.organisation && !grant.site && !grant.region
    return everywhere || grant.region !== null || grant.site === place.site || grant.organisation === place.operator
  })
}

/** Who signs at tills with a PIN of their own. Here, because the phone's first page asks it. */
export const TILL_ROLES = ['canteen_manager', 'cashier']

export function signsAtTills(roles: readonly string[]): boolean {
  return roles.some((role) => TILL_ROLES.includes(role))
}
