import * as admin from '@/repairs/admin/messages'
import { i18n } from './i18n'

// With the page of the office that reads them.
i18n.global.mergeLocaleMessage('zh-CN', { repairs: { admin: admin.zh, icon: admin.iconsZh } })
i18n.global.mergeLocaleMessage('en', { repairs: { admin: admin.en, icon: admin.iconsEn } })
