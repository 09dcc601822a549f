/** The words around the code itself; apart from the others, because they are there before anything else is. */
export const zh = {
  meal: { breakfast: '早餐', lunch: '午餐', dinner: '晚餐', night: '夜宵' } as Record<string, string>,
  code: {
    title: '付款码',
    qrLabel: '付款二维码，请对准消费机',
    showDigits: '显示数字',
    refreshes: '到时自动更新，每个码只能用一次',
    brightness: '扫不上时请调亮屏幕',
    refreshNow: '立即更新付款码',
    holding: '新码暂时取不到，这个码还能用 {seconds} 秒',
    offlineHolding: '网络不通，这个码还能用 {seconds} 秒',
  },
  voucher: {
    title: '离线付款码 · {meal}',
    holds: '还能用 {left}，到 {time} 为止',
    minutes: '{minutes} 分钟',
    hours: '{hours} 小时 {minutes} 分钟',
    squareOnly: '没有网络，短码（条形码）已失效：请让消费机扫方形码，只能用一次。',
  },
}

export const en: typeof zh = {
  meal: { breakfast: 'Breakfast', lunch: 'Lunch', dinner: 'Dinner', night: 'Night meal' },
  code: {
    title: 'Pay code',
    qrLabel: 'QR pay code: hold it to the till',
    showDigits: 'Show the digits',
    refreshes: 'Renews itself; each code pays once',
    brightness: 'Not read? Turn the screen up',
    refreshNow: 'Renew the code now',
    holding: 'No new code yet; this one pays for {seconds} s more',
    offlineHolding: 'No network; this one pays for {seconds} s more',
  },
  voucher: {
    title: 'Code without network · {meal}',
    holds: 'Good for {left} more, until {time}',
    minutes: '{minutes} min',
    hours: '{hours} h {minutes} min',
    squareOnly: 'No network: the short number (bars) has run out. Let the till read the square; it pays once.',
  },
}
