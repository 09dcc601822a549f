// Of the barcode library the one kind that is drawn: a tenth of it, so that the first paint can have it too.
import CODE128C from 'jsbarcode/src/barcodes/CODE128/CODE128C.js'
import { correction, generate, mode } from 'lean-qr'

const QR_VERSION = 6
const QR_QUIET = 4

/** The size of a version 6 symbol with its quiet zone, in modules. */
export const QR_MODULES = 41 + 2 * QR_QUIET

/**
 * Draws the 220 digits as a numeric QR, version 6, level M, with whole device pixels per module: a
 * scanner reads crisp edges at a greater distance than smoothed ones.
 */
export function drawQr(canvas: HTMLCanvasElement, text: string, widthCss: number): void {
  const matrix = generate(mode.numeric(text), {
    minCorrectionLevel: correction.M,
    maxCorrectionLevel: correction.M,
    minVersion: QR_VERSION,
    maxVersion: QR_VERSION,
  })
  const unit = Math.max(1, Math.floor((widthCss * devicePixelRatio) / QR_MODULES))
  const context = prepare(canvas, QR_MODULES * unit, QR_MODULES * unit)
  // As one figure of runs: a slow phone draws it in a fraction of the time that single modules take.
  context.beginPath()
  for (let y = 0; y < matrix.size; y += 1) {
    for (let x = 0; x < matrix.size; x += 1) {
      const from = x
      while (matrix.get(x, y)) x += 1
      if (x > from) context.rect((from + QR_QUIET) * unit, (y + QR_QUIET) * unit, (x - from) * unit, unit)
    }
  }
  context.fill()
}

/** Draws any text, such as an address, as a QR as small as it can be, with the same crisp edges. */
export function drawTextQr(canvas: HTMLCanvasElement, text: string, widthCss: number): void {
  const matrix = generate(text, { minCorrectionLevel: correction.M, maxCorrectionLevel: correction.M })
  const modules = matrix.size + 2 * QR_QUIET
  const unit = Math.max(1, Math.floor((widthCss * devicePixelRatio) / modules))
  const context = prepare(canvas, modules * unit, modules * unit)
  for (let y = 0; y < matrix.size; y += 1) {
    for (let x = 0; x < matrix.size; x += 1) {
      if (matrix.get(x, y)) context.fillRect((x + QR_QUIET) * unit, (y + QR_QUIET) * unit, unit, unit)
    }
  }
}

/** Draws the 20 digits as Code 128 C with ten modules of quiet on each side. */
export function drawBarcode(canvas: HTMLCanvasElement, digits: string, widthCss: number, heightCss: number): void {
  const bars = new CODE128C(digits, {}).encode().data
  const modules = bars.length + 20
  const unit = Math.max(1, Math.floor((widthCss * devicePixelRatio) / modules))
  const height = Math.round(heightCss * devicePixelRatio)
  const context = prepare(canvas, modules * unit, height)
  Array.from(bars).forEach((bar, index) => {
    if (bar === '1') context.fillRect((index + 10) * unit, 0, unit, height)
  })
}

function prepare(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  canvas.width = width
  canvas.height = height
  canvas.style.width = `${width / devicePixelRatio}px`
  canvas.style.height = `${height / devicePixelRatio}px`
  const context = canvas.getContext('2d')
  if (!context) throw new Error('this browser draws no canvas')
  const style = getComputedStyle(document.documentElement)
  context.fillStyle = style.getPropertyValue('--code-light') || 'white'
  context.fillRect(0, 0, width, height)
  context.fillStyle = style.getPropertyValue('--code-dark') || 'black'
  return context
}
