import * as places from '@/identity/admin/places/messages'
import * as payments from '@/payments/officeMessages'
import { i18n } from '../i18n'

// Together with the office's frame, before any of its pages is drawn.
i18n.global.mergeLocaleMessage('zh-CN', { payments: payments.zh, identity: places.zh })
i18n.global.mergeLocaleMessage('en', { payments: payments.en, identity: places.en })
