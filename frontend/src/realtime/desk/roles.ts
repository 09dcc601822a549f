/** Whose desk it is. */
export const DESK_ROLES: readonly string[] = ['duty_staff', 'dispatcher']
