import * as card from '@/repairs/desk/messages'
import { i18n } from './i18n'

// With the desk that shows the card.
i18n.global.mergeLocaleMessage('zh-CN', { repairs: { deskCard: card.zh } })
i18n.global.mergeLocaleMessage('en', { repairs: { deskCard: card.en } })
