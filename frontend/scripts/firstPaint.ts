import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'vite'

const ENTRY = fileURLToPath(new URL('../src/payments/early/start.ts', import.meta.url))
const PLACE = '<!--first-paint-->'
/** It stands in every page: what makes it larger must be worth it. */
const BYTES_MAX = 32 * 1024

/**
 * Puts src/payments/early/ into index.html itself, so that a code is painted without waiting for any file; and leaves it to
 * that script when the page's own files are fetched, since a browser would begin with them and paint afterwards.
 */
export function firstPaint(): Plugin[] {
  return [
    {
      name: 'guanjia-first-paint',
      transformIndexHtml: {
        order: 'pre',
        async handler(html, context) {
          const script = context.server
            ? '<script type="module" src="/src/payments/early/start.ts"></script>'
            : `<script>${await bundled()}</script>`
          return html.replace(PLACE, () => script)
        },
      },
    },
    {
      name: 'guanjia-page-behind-first-paint',
      apply: 'build',
      transformIndexHtml: {
        order: 'post',
        handler(html) {
          const [entry] = html.match(/<script type="module"[^>]*><\/script>/) ?? []
          if (!entry) throw new Error('index.html names no entry')
          const links = html.match(/<link rel="(?:modulepreload|stylesheet)"[^>]*>/g) ?? []
          const parts = [entry, ...links].map((tag) => /(?:src|href)="([^"]+)"/.exec(tag)?.[1])
          return [entry, ...links]
            .reduce((left, tag) => left.replace(tag, ''), html)
            .replace(/^\s*\n/gm, '')
            .replace('%ENTRY_PARTS%', () => parts.join(' '))
        },
      },
    },
  ]
}

async function bundled(): Promise<string> {
  const made = await build({
    configFile: false,
    logLevel: 'warn',
    resolve: { alias: { '@': fileURLToPath(new URL('../src', import.meta.url)) } },
    build: {
      write: false,
      target: 'es2022',
      lib: { entry: ENTRY, formats: ['iife'], name: 'early' },
    },
  })
  const outputs = (Array.isArray(made) ? made : [made]).flatMap((each) => ('output' in each ? each.output : []))
  const [chunk, ...others] = outputs
  if (chunk?.type !== 'chunk' || others.length > 0) throw new Error('the first paint has to be one script')
  const foreign = Object.keys(chunk.modules).filter((id) => /node_modules\/(?!lean-qr|jsbarcode)/.test(id))
  if (foreign.length > 0) throw new Error(`the first paint carries ${foreign.join(', ')}`)
  if (chunk.code.length > BYTES_MAX) throw new Error(`the first paint has ${chunk.code.length} bytes`)
  if (/<\/script|<!--/i.test(chunk.code)) throw new Error('the first paint would end its own script element')
  return chunk.code.trim()
}
