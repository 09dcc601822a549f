import { createApp } from 'vue'
import '@/kernel/base.css'
import '@/kernel/theme'
import App from '@/app/App.vue'
import { i18n } from '@/app/i18n'
import { router } from '@/app/router'

createApp(App).use(i18n).use(router).mount('#app')
