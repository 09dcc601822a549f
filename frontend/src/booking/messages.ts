import * as admin from './admin/messages'
import * as calendar from './calendar/messages'
import * as form from './form/messages'
import * as meetings from './meetings/messages'
import * as mine from './mine/messages'
import * as visitors from './visitors/messages'

const own = {
  title: '预订',
  close: '关闭',
  book: '预订',
  calendar: '日历',
  seats: '{count} 人',
  needsApproval: '需审批',
  none: '没有可预订的资源',
  noneHint: '管理员在管理台登记会场、客房和车辆后，这里就能看到并预订。',
  noneNarrowed: '放宽校区、人数或设备条件再试一次。',
  part: { label: '预订', calendar: '日历', mine: '我的预订', meetings: '会议' },
  kind: { label: '类别', venue: '会场', hotel_room: '客房', car: '车辆' },
  state: {
    busy: '已占用',
    held: '暂留',
    pending_approval: '待审批',
    confirmed: '已确认',
    checked_in: '已签到',
    in_use: '使用中',
    completed: '已结束',
    waitlisted: '候补中',
    offered: '有空位了',
    cancelled: '已取消',
    rejected: '未批准',
    expired: '已过期',
    no_show: '未到场',
    superseded: '被占用调整',
    closed: '停用',
    reopened: '已恢复',
  },
  trigger: {
    confirm: '确认预订',
    move: '改时间',
    cancel: '取消预订',
    check_in: '签到',
    finish: '提前结束',
    accept: '接受',
    decline: '放弃',
    approve: '批准',
    reject: '不批准',
    reopen: '恢复开放',
  },
  weekday: { 0: '一', 1: '二', 2: '三', 3: '四', 4: '五', 5: '六', 6: '日' },
}

const ownEn: typeof own = {
  title: 'Booking',
  close: 'Close',
  book: 'Book',
  calendar: 'Calendar',
  seats: 'for {count}',
  needsApproval: 'Needs approval',
  none: 'Nothing to book',
  noneHint: 'Once the office has entered halls, rooms and cars, they stand here.',
  noneNarrowed: 'Try another campus, fewer seats or other equipment.',
  part: { label: 'Booking', calendar: 'Calendar', mine: 'My bookings', meetings: 'Meetings' },
  kind: { label: 'Kind', venue: 'Halls', hotel_room: 'Hotel rooms', car: 'Cars' },
  state: {
    busy: 'Taken',
    held: 'Held',
    pending_approval: 'Waits for approval',
    confirmed: 'Confirmed',
    checked_in: 'Checked in',
    in_use: 'In use',
    completed: 'Over',
    waitlisted: 'On the waiting list',
    offered: 'Offered to you',
    cancelled: 'Cancelled',
    rejected: 'Not approved',
    expired: 'Expired',
    no_show: 'Nobody came',
    superseded: 'Given way',
    closed: 'Closed',
    reopened: 'Open again',
  },
  trigger: {
    confirm: 'Confirm',
    move: 'Move',
    cancel: 'Cancel booking',
    check_in: 'Check in',
    finish: 'End now',
    accept: 'Accept',
    decline: 'Decline',
    approve: 'Approve',
    reject: 'Reject',
    reopen: 'Open again',
  },
  weekday: { 0: 'Mo', 1: 'Tu', 2: 'We', 3: 'Th', 4: 'Fr', 5: 'Sa', 6: 'Su' },
}

/** What several screens say stands here, what one of them says beside it. */
export const zh = { ...own, ...calendar.zh, ...form.zh, ...mine.zh, ...meetings.zh, ...visitors.zh, ...admin.zh }
export const en: typeof zh = {
  ...ownEn,
  ...calendar.en,
  ...form.en,
  ...mine.en,
  ...meetings.en,
  ...visitors.en,
  ...admin.en,
}
