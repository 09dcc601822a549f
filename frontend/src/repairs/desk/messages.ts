/** Words of the card of open orders beside the calls; fetched with the desk. */
export const zh = {
  title: '未完成的工单',
  none: '没有未完成的工单。',
  count: '{open} 单未完成',
  risk: '{count} 单快超时或已超时',
  waiting: '{count} 单待受理',
  breached: '已超时',
  warned: '快超时',
  all: '打开工单看板',
}
export const en: typeof zh = {
  title: 'Open work orders',
  none: 'No open orders.',
  count: 'Open: {open}',
  risk: 'At risk or late: {count}',
  waiting: 'To be accepted: {count}',
  breached: 'late',
  warned: 'at risk',
  all: 'Open the board',
}
