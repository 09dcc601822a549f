import * as repairs from '@/repairs/messages'
import { i18n } from './i18n'

// Together with the first screen of repairs, before it is drawn: a phone in a queue does not wait for them.
i18n.global.mergeLocaleMessage('zh-CN', { repairs: repairs.zh })
i18n.global.mergeLocaleMessage('en', { repairs: repairs.en })
