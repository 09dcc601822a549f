import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Plugin } from 'vite'

/** What somebody may open without a network, by its place in src/. */
const SCREENS = ['src/app/phone/PhonePage.vue']
/** Of these files only the names stand in the build. */
const STANDING = ['/', '/icon.svg', '/icon-192.png', '/manifest.webmanifest', '/manifest.en.webmanifest']
/** Parts that are of no use without a network, or too large to be fetched for nothing. */
const LEFT_OUT = /zxing|\.wasm$/

const SOURCE = new URL('../src/kernel/serviceWorker.js', import.meta.url)

interface Part {
  type: 'chunk' | 'asset'
  isEntry?: boolean
  moduleIds?: string[]
  imports?: string[]
  dynamicImports?: string[]
  viteMetadata?: { importedCss?: Set<string>; importedAssets?: Set<string> }
  source?: string | Uint8Array
}

/**
 * Makes the phone page quick: writes sw.js, the service worker with the names of all files that the screens above are made of, and
 * tells index.html which of them come first.
 */
export function serviceWorker(): Plugin {
  return {
    name: 'guanjia-service-worker',
    apply: 'build',
    enforce: 'post',
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        const parts = bundle as unknown as Record<string, Part>
        const page = parts['index.html']
        if (!page) throw new Error('there is no index.html to tell which parts come first')
        page.source = String(page.source).replace(
          '%PHONE_PARTS%',
          firstOf(parts)
            .map((file) => `/${file}`)
            .join(' '),
        )
        const files = [...STANDING, ...filesOf(parts).map((file) => `/${file}`)].sort()
        const template = readFileSync(SOURCE, 'utf8')
        const version = createHash('sha256')
          .update(template)
          .update(JSON.stringify(files))
          .update(page.source)
          .digest('hex')
          .slice(0, 16)
        const source = template
          .replace('__VERSION__', JSON.stringify(version))
          .replace('__FILES__', JSON.stringify(files))
        this.emitFile({ type: 'asset', fileName: 'sw.js', source })
      },
    },
  }
}

function isScreen(part: Part): boolean {
  return part.moduleIds?.some((id) => SCREENS.some((screen) => id.endsWith(screen))) ?? false
}

/** What a screen needs before it can be drawn at all, beside the entry. */
function firstOf(parts: Record<string, Part>): string[] {
  const found = new Set<string>()
  const visit = (name: string) => {
    const part = parts[name]
    if (!part || part.isEntry || found.has(name)) return
    found.add(name)
    for (const file of part.viteMetadata?.importedCss ?? []) found.add(file)
    for (const next of part.imports ?? []) visit(next)
  }
  for (const [name, part] of Object.entries(parts)) {
    if (isScreen(part)) visit(name)
  }
  if (found.size === 0) throw new Error('no part of the build holds the screens that open without a network')
  return [...found]
}

function filesOf(parts: Record<string, Part>): string[] {
  const found = new Set<string>()
  const visit = (name: string) => {
    const part = parts[name]
    if (!part || found.has(name) || LEFT_OUT.test(name)) return
    found.add(name)
    for (const file of part.viteMetadata?.importedCss ?? []) found.add(file)
    for (const file of part.viteMetadata?.importedAssets ?? []) if (!LEFT_OUT.test(file)) found.add(file)
    for (const next of part.imports ?? []) visit(next)
    // The entry names every screen of the house; only ours are followed.
    if (!part.isEntry) for (const next of part.dynamicImports ?? []) visit(next)
  }
  for (const [name, part] of Object.entries(parts)) if (part.isEntry || isScreen(part)) visit(name)
  return [...found]
}
