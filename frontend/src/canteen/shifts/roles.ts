/** Who manages shifts; cashiers see the page for their own PIN. Here only so that nobody is offered what would be refused. */
export const SHIFT_ROLES = ['canteen_manager', 'finance', 'system_admin']
