/** Around the code: what a camera would see of the phone's edge and the counter behind it. */
const MARGIN = 60
const SCALE = 1.37

/**
 * Takes the pixels that stand on the phone's screen, scaled as a camera would see them. Only the image
 * leaves the phone: no text is handed over on the side.
 */
export function photographCanvas(screen: HTMLCanvasElement): ImageData {
  const photo = new OffscreenCanvas(
    Math.round(screen.width * SCALE) + 2 * MARGIN,
    Math.round(screen.height * SCALE) + 2 * MARGIN,
  )
  const context = photo.getContext('2d', { willReadFrequently: true })
  if (!context) throw new Error('this browser draws no canvas')
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--line') || 'lightgrey'
  context.fillRect(0, 0, photo.width, photo.height)
  context.imageSmoothingQuality = 'medium'
  context.drawImage(screen, MARGIN, MARGIN, photo.width - 2 * MARGIN, photo.height - 2 * MARGIN)
  return context.getImageData(0, 0, photo.width, photo.height)
}
