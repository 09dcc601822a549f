import * as statistics from '@/repairs/statistics/messages'
import { i18n } from './i18n'

// With the figures themselves: whoever works at the board does not wait for them.
i18n.global.mergeLocaleMessage('zh-CN', { repairs: { statistics: statistics.zh } })
i18n.global.mergeLocaleMessage('en', { repairs: { statistics: statistics.en } })
