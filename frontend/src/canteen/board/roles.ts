/** Whom the server lets see a board; here only so that nobody is offered what would be refused. */
export const BOARD_ROLES = ['canteen_manager', 'cashier', 'finance', 'system_admin']
