import { fileURLToPath, URL } from 'node:url'
import { VantResolver } from '@vant/auto-import-resolver'
import vue from '@vitejs/plugin-vue'
import components from 'unplugin-vue-components/vite'
import { ElementPlusResolver } from 'unplugin-vue-components/resolvers'
import { defineConfig } from 'vite'
import { firstPaint } from './scripts/firstPaint.ts'
import { serviceWorker } from './scripts/serviceWorker.ts'

// While developing, `GUANJIA_URL` says where the server listens; `make run` serves dist/ itself.
const server = process.env.GUANJIA_URL ?? 'http://127.0.0.1:8000'

export default defineConfig({
  plugins: [
    vue(),
    // Only what a template names is bundled, so the phone page never carries the desktop library.
    components({
      dirs: [],
      dts: 'src/generated/components.d.ts',
      resolvers: [VantResolver(), ElementPlusResolver({ importStyle: 'css' })],
    }),
    firstPaint(),
    serviceWorker(),
  ],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    target: 'es2022',
    assetsInlineLimit: 2048,
    chunkSizeWarningLimit: 800,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // Each file costs a slow phone more than its bytes do: what every screen has in common is one, and so is what
          // stands on the screen when the phone page opens. Whatever is opened later stays apart.
          groups: [
            {
              name: 'house',
              test: /src\/(kernel\/(?!desk)|realtime\/(client|useRealtime)|identity\/(session|rights|SignInForm))/,
            },
            // With the helpers that the bundler itself puts in, else the entry would fetch the phone's part for their sake.
            {
              name: 'vue',
              test: /node_modules\/(@vue|vue|vue-router|vue-i18n|@intlify)\/|preload-helper|export-helper/,
              priority: 2,
            },
            {
              name: 'phone',
              test: /lean-qr|src\/(app\/phone\/(Phone|place|entries)|payments\/(use|earlyCode|heldOut|drawing|paidNotice|wakeLock|phone\/(PayCode|CodeCanvas|Countdown|Voucher|PaidCard)))/,
            },
          ],
        },
      },
    },
  },
  server: {
    host: '127.0.0.1',
    proxy: {
      '/v1': { target: server, ws: true },
      '/healthz': server,
      '/readyz': server,
      '/openapi.json': server,
    },
  },
})
