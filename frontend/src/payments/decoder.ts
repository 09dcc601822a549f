import wasmUrl from 'zxing-wasm/reader/zxing_reader.wasm?url'

/** What the browser's own detector offers; TypeScript's DOM types do not know it yet. */
interface NativeDetector {
  detect: (source: ImageData | HTMLCanvasElement) => Promise<{ rawValue: string }[]>
}
interface NativeDetectorClass {
  new (options: { formats: string[] }): NativeDetector
  getSupportedFormats: () => Promise<string[]>
}

/** Finds a code in a picture: the camera's frames and the demo's screen pixels go the same way. */
export type Decoder = (picture: ImageData) => Promise<string | null>

/** Whatever stands in the symbols of a picture. */
type TextDecoder = (picture: ImageData) => Promise<string[]>

let made: Promise<TextDecoder> | null = null

/** Finds what `choose` takes: a pay code, or on the phone the code on the wall. The decoder beneath is made once. */
export async function pictureDecoder(choose: (texts: string[]) => string | null = longestCode): Promise<Decoder> {
  made ??= nativeDecoder().then((native) => native ?? zxingDecoder())
  const decode = await made
  return async (picture) => choose(await decode(picture))
}

/** BarcodeDetector where the browser has one, zxing elsewhere. */
async function nativeDecoder(): Promise<TextDecoder | null> {
  const Detector = (globalThis as { BarcodeDetector?: NativeDetectorClass }).BarcodeDetector
  if (!Detector) return null
  const supported = await Detector.getSupportedFormats().catch((): string[] => [])
  const formats = ['qr_code', 'code_128'].filter((format) => supported.includes(format))
  if (!formats.includes('qr_code')) return null
  const detector = new Detector({ formats })
  return async (picture) => (await detector.detect(picture)).map((found) => found.rawValue)
}

async function zxingDecoder(): Promise<TextDecoder> {
  const { prepareZXingModule, readBarcodes } = await import('zxing-wasm/reader')
  // The program is served by us, never from elsewhere.
  await prepareZXingModule({ overrides: { locateFile: () => wasmUrl }, fireImmediately: true })
  return async (picture) => {
    const found = await readBarcodes(picture, {
      formats: ['QRCode', 'Code128'],
      tryHarder: true,
      maxNumberOfSymbols: 2,
    })
    return found.map((symbol) => symbol.text)
  }
}

/** Bars and square may both be in view; the square says more. */
function longestCode(texts: string[]): string | null {
  const codes = texts.filter((text) => /^\d{20}$|^\d{220}$/.test(text))
  return codes.sort((a, b) => b.length - a.length)[0] ?? null
}
