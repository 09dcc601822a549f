import { createApp } from 'vue'
import '@/kernel/base.css'
import '@/kernel/theme'
import App from '@/app/App.vue'
import { i18n } from '@/app/i18n'
import { router } from '@/app/router'

const app = createApp(App).use(i18n).use(router)
// Whoever stands in a queue sees the code first: drawing the page would keep a slow phone busy for half a second.
void (window.earlyCode?.settled ?? Promise.resolve()).then(() => app.mount('#app'))
