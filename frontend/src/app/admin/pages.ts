import type { IconName } from '@/kernel/UiIcon.vue'

/** A page of the office: its place in the address, and the key of its own title. */
export interface OfficePage {
  path: string
  icon: IconName
  label: string
  /** Without them it is for all who administer anything. */
  roles?: string[]
}

/** Everything that the office has, in the order of what it is about. To add a page: a line here, and its route. */
export const OFFICE: { about: string; pages: OfficePage[] }[] = [
  {
    about: 'people',
    pages: [
      { path: 'organisations', icon: 'tree', label: 'identity.admin.organisations' },
      {
        path: 'people',
        icon: 'people',
        label: 'identity.admin.people',
        roles: ['system_admin', 'security_admin', 'audit_admin', 'finance'],
      },
      {
        path: 'places',
        icon: 'pin',
        label: 'identity.places.title',
        roles: ['system_admin', 'dispatcher'],
      },
      { path: 'approvals', icon: 'stamp', label: 'identity.approvals.title' },
    ],
  },
  {
    about: 'money',
    pages: [
      {
        path: 'subsidies',
        icon: 'gift',
        label: 'payments.subsidies.title',
        roles: ['finance', 'system_admin', 'audit_admin'],
      },
      { path: 'cards', icon: 'wallet', label: 'payments.cards.title', roles: ['finance'] },
      { path: 'settlement', icon: 'receipt', label: 'payments.settlement.title', roles: ['finance', 'audit_admin'] },
      { path: 'reconciliation', icon: 'scales', label: 'payments.reconciliation.title', roles: ['finance'] },
      { path: 'differences', icon: 'undo', label: 'payments.differences.title', roles: ['finance'] },
      { path: 'disputes', icon: 'alert', label: 'payments.disputes.title', roles: ['finance', 'canteen_manager'] },
    ],
  },
  {
    about: 'canteens',
    pages: [
      { path: 'canteens', icon: 'bowl', label: 'canteen.admin.canteens' },
      {
        path: 'setup',
        icon: 'check',
        label: 'canteen.setup.title',
        roles: ['system_admin', 'canteen_manager', 'finance', 'security_admin'],
      },
      {
        path: 'terminals',
        icon: 'terminal',
        label: 'identity.admin.terminals',
        roles: ['system_admin', 'security_admin', 'audit_admin', 'canteen_manager'],
      },
      { path: 'wall-codes', icon: 'scan', label: 'payments.wall.title', roles: ['system_admin', 'canteen_manager'] },
      { path: 'prices', icon: 'price', label: 'canteen.admin.prices' },
      { path: 'menus', icon: 'calendar', label: 'canteen.admin.menus' },
    ],
  },
  {
    about: 'system',
    pages: [
      { path: 'duty', icon: 'calendar', label: 'realtime.duty.title', roles: ['system_admin'] },
      {
        path: 'calls',
        icon: 'bell',
        label: 'realtime.policies.title',
        roles: ['system_admin', 'dispatcher'],
      },
      {
        path: 'repairs',
        icon: 'tool',
        label: 'app.admin.repairs',
        roles: ['system_admin', 'dispatcher'],
      },
      {
        path: 'bookings',
        icon: 'calendar',
        label: 'app.admin.bookings',
        roles: ['system_admin', 'dispatcher'],
      },
      { path: 'developers', icon: 'key', label: 'payments.developers.title', roles: ['finance', 'system_admin'] },
      { path: 'security', icon: 'lock', label: 'identity.door.security' },
    ],
  },
]
