import { watch } from 'vue'
import { createRouter, createWebHistory } from 'vue-router'
import { locale } from '@/kernel/locale'
import { i18n } from './i18n'

/** Each screen is its own bundle: the phone page loads neither charts nor the desktop library. */
export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', component: () => import('./phone/PhonePage.vue'), meta: { title: 'phone' } },
    { path: '/pay/:code?', component: () => import('./pay/PayPage.vue'), meta: { title: 'pay' } },
    { path: '/activate/:code?', component: () => import('./ActivatePage.vue'), meta: { title: 'activate' } },
    { path: '/repair/:code?', component: () => import('./RepairsGuestPage.vue'), meta: { title: 'repairs' } },
    // Without a network only `/` opens: the work of whoever repairs is a page of the phone.
    { path: '/work', redirect: (to) => ({ path: '/', query: { ...to.query, tab: 'work' } }) },
    { path: '/terminal', component: () => import('./TillPage.vue'), meta: { title: 'terminal' } },
    { path: '/booking', component: () => import('./BookingPage.vue'), meta: { title: 'booking' } },
    { path: '/booking/mine', component: () => import('./MyBookingsPage.vue'), meta: { title: 'booking' } },
    { path: '/booking/meetings', component: () => import('./MeetingsPage.vue'), meta: { title: 'meetings' } },
    { path: '/booking/meetings/new', component: () => import('./MeetingFormPage.vue'), meta: { title: 'meetings' } },
    { path: '/booking/meetings/:id', component: () => import('./MeetingPage.vue'), meta: { title: 'meetings' } },
    { path: '/booking/door/:token', redirect: (to) => `/door/${String(to.params.token)}` },
    { path: '/checkin', component: () => import('./CheckInPage.vue'), meta: { title: 'checkIn' } },
    { path: '/door/:token', component: () => import('./DoorPage.vue'), meta: { title: 'door' } },
    { path: '/guide/:code', component: () => import('./GuidePage.vue'), meta: { title: 'guide' } },
    { path: '/invitation/:code', component: () => import('./InvitationPage.vue'), meta: { title: 'invitation' } },
    { path: '/meeting/:code', redirect: (to) => `/guide/${String(to.params.code)}` },
    { path: '/demo', component: () => import('./demo/DemoPage.vue'), meta: { title: 'demo' } },
    // The label on a wall leads to the button, with the place filled in.
    { path: '/at/:code', redirect: (to) => ({ path: '/', query: { tab: 'call', at: String(to.params.code) } }) },
    { path: '/desk', component: () => import('./DeskPage.vue'), meta: { title: 'desk' } },
    { path: '/desk/wall', component: () => import('./WallPage.vue'), meta: { title: 'wall' } },
    {
      path: '/desk/bookings',
      component: () => import('./BookingRequestsPage.vue'),
      meta: { title: 'bookingRequests' },
    },
    { path: '/desk/repairs', component: () => import('./RepairsBoardPage.vue'), meta: { title: 'repairsBoard' } },
    {
      path: '/desk/repairs/statistics',
      component: () => import('./RepairStatisticsPage.vue'),
      meta: { title: 'repairStatistics' },
    },
    { path: '/desk/canteen', component: () => import('./BoardPage.vue'), meta: { title: 'board' } },
    { path: '/desk/covers', component: () => import('./CoversPage.vue'), meta: { title: 'covers' } },
    { path: '/desk/shifts', component: () => import('./ShiftsPage.vue'), meta: { title: 'shifts' } },
    { path: '/desk/disputes', component: () => import('./DisputesPage.vue'), meta: { title: 'disputes' } },
    {
      path: '/admin',
      component: () => import('./admin/AdminShell.vue'),
      meta: { title: 'admin' },
      children: [
        { path: '', redirect: '/admin/organisations' },
        { path: 'organisations', component: () => import('@/identity/admin/OrganisationsPage.vue') },
        { path: 'people', component: () => import('@/identity/admin/PeoplePage.vue') },
        { path: 'places', component: () => import('@/identity/admin/places/PlacesPage.vue') },
        { path: 'slips', component: () => import('@/identity/admin/SlipsPage.vue') },
        { path: 'approvals', component: () => import('@/identity/admin/ApprovalsPage.vue') },
        { path: 'security', component: () => import('@/identity/admin/SecurityPage.vue') },
        { path: 'duty', component: () => import('@/realtime/duty/admin/DutyPage.vue') },
        { path: 'bookings', component: () => import('./admin/BookingAdminRoute.vue') },
        { path: 'repairs', component: () => import('./admin/RepairsAdminRoute.vue') },
        { path: 'terminals', component: () => import('@/identity/admin/TerminalsPage.vue') },
        { path: 'calls', component: () => import('@/realtime/calls/admin/PoliciesPage.vue') },
        { path: 'subsidies', component: () => import('@/payments/admin/subsidies/SubsidiesPage.vue') },
        { path: 'cards', component: () => import('@/payments/admin/CardsPage.vue') },
        { path: 'settlement', component: () => import('@/payments/admin/settlement/SettlementPage.vue') },
        { path: 'disputes', component: () => import('@/payments/disputes/DisputesDesk.vue') },
        { path: 'differences', component: () => import('@/payments/differences/DifferencesPage.vue') },
        { path: 'reconciliation', component: () => import('@/payments/reconciliation/ReconciliationPage.vue') },
        { path: 'wall-codes', component: () => import('@/payments/admin/WallCodesPage.vue') },
        { path: 'canteens', component: () => import('@/canteen/admin/CanteensPage.vue') },
        { path: 'setup', component: () => import('@/canteen/admin/SetupPage.vue') },
        { path: 'prices', component: () => import('@/canteen/admin/PricesPage.vue') },
        { path: 'menus', component: () => import('@/canteen/admin/MenusPage.vue') },
        { path: 'developers', component: () => import('@/payments/developers/DevelopersPage.vue') },
      ],
    },
    { path: '/:path(.*)*', component: () => import('./NotFoundPage.vue'), meta: { title: 'notFound' } },
  ],
})

function nameTab(): void {
  const title = router.currentRoute.value.meta.title as string | undefined
  document.title = title
    ? `${i18n.global.t(`app.titles.${title}`)} · ${i18n.global.t('identity.signIn.title')}`
    : '管家'
}
router.afterEach(nameTab)
watch(locale, nameTab, { flush: 'post' })
