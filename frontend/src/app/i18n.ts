import { watchEffect } from 'vue'
import { createI18n } from 'vue-i18n'
import * as canteen from '@/canteen/messages'
import * as identity from '@/identity/messages'
import { locale } from '@/kernel/locale'
import * as kernel from '@/kernel/messages'
import * as payments from '@/payments/messages'
import * as realtime from '@/realtime/messages'
import * as app from './messages'

/** Each domain brings its own words; a key begins with the domain's name. */
export const i18n = createI18n({
  legacy: false,
  locale: locale.value,
  fallbackLocale: 'zh-CN',
  messages: {
    'zh-CN': {
      app: app.zh,
      canteen: canteen.zh,
      identity: identity.zh,
      kernel: kernel.zh,
      payments: payments.zh,
      realtime: realtime.zh,
    },
    en: {
      app: app.en,
      canteen: canteen.en,
      identity: identity.en,
      kernel: kernel.en,
      payments: payments.en,
      realtime: realtime.en,
    },
  },
})

watchEffect(() => {
  i18n.global.locale.value = locale.value
  document.documentElement.lang = locale.value
  // Whoever installs the page gets it under the name of their language.
  const manifest = locale.value === 'en' ? '/manifest.en.webmanifest' : '/manifest.webmanifest'
  document.querySelector('link[rel=manifest]')?.setAttribute('href', manifest)
})
