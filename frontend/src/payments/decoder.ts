import wasmUrl from 'zxing-wasm/reader/zxing_reader.wasm?url'

/** What the browser's own detector offers; TypeScript's DOM types do not know it yet. */
interface NativeDetector {
  detect: (source: ImageData | HTMLCanvasElement) => Promise<{ rawValue: string }[]>
}
interface NativeDetectorClass {
  new (options: { formats: string[] }): NativeDetector
  getSupportedFormats: () => Promise<string[]>
}

/** Finds a pay code in a picture: the camera's frames and the demo's screen pixels go the same way. */
export type Decoder = (picture: ImageData) => Promise<string | null>

let made: Promise<Decoder> | null = null

/** The decoder, made once: BarcodeDetector where the browser has one, zxing elsewhere. */
export function pictureDecoder(): Promise<Decoder> {
  made ??= nativeDecoder().then((native) => native ?? zxingDecoder())
  return made
}

async function nativeDecoder(): Promise<Decoder | null> {
  const Detector = (globalThis as { BarcodeDetector?: NativeDetectorClass }).BarcodeDetector
  if (!Detector) return null
  const supported = await Detector.getSupportedFormats().catch((): string[] => [])
  const formats = ['qr_code', 'code_128'].filter((format) => supported.includes(format))
  if (!formats.includes('qr_code')) return null
  const detector = new Detector({ formats })
  return async (picture) => longestCode((await detector.detect(picture)).map((found) => found.rawValue))
}

async function zxingDecoder(): Promise<Decoder> {
  const { prepareZXingModule, readBarcodes } = await import('zxing-wasm/reader')
  // The program is served by us, never from elsewhere.
  await prepareZXingModule({ overrides: { locateFile: () => wasmUrl }, fireImmediately: true })
  return async (picture) => {
    const found = await readBarcodes(picture, {
      formats: ['QRCode', 'Code128'],
      tryHarder: true,
      maxNumberOfSymbols: 2,
    })
    return longestCode(found.map((symbol) => symbol.text))
  }
}

/** Bars and square may both be in view; the square says more. */
function longestCode(texts: string[]): string | null {
  const codes = texts.filter((text) => /^\d{20}$|^\d{220}$/.test(text))
  return codes.sort((a, b) => b.length - a.length)[0] ?? null
}
