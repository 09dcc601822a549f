import * as booking from '@/booking/messages'
import { i18n } from './i18n'

// With the pages that read them: whoever only pays does not wait for them.
i18n.global.mergeLocaleMessage('zh-CN', { booking: booking.zh })
i18n.global.mergeLocaleMessage('en', { booking: booking.en })
