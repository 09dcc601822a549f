import * as realtime from '@/realtime/dutyMessages'
import { i18n } from './i18n'

// With the screens of those on duty, before they are drawn.
i18n.global.mergeLocaleMessage('zh-CN', { realtime: realtime.zh })
i18n.global.mergeLocaleMessage('en', { realtime: realtime.en })
