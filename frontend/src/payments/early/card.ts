import type { Locale } from '@/kernel/preferences'
import { clockTime } from '@/kernel/time'
import * as words from '../codeWords'
import { drawBarcode, drawQr } from '../drawing'
import type { Arrived } from '../earlyCode'
import { usableForS, type KeptVoucher } from '../heldOut'
import { made } from './made'

const WIDTH_MAX = 420
const BARS_HEIGHT = 68

/** The card that is held out before the page is there: the same codes, drawn by the same hand, without a framework. */
export class EarlyCard {
  private readonly root = made('div')
  private readonly section = made('section')
  private readonly say
  private timer = 0

  constructor(
    holder: string,
    private readonly locale: Locale,
  ) {
    this.say = locale === 'en' ? words.en : words.zh
    this.root.id = 'early'
    const header = made('header')
    const main = made('main')
    afterFrame(() => header.append(made('h1', '', this.say.code.title), made('span', '', holder)))
    main.append(this.section)
    this.root.append(header, main)
    this.section.ariaLabel = this.say.code.title
    document.body.prepend(this.root)
  }

  showCode(code: Arrived): void {
    const foot = this.show(code.code.text, code.code.code)
    const tell = () => {
      const seconds = usableForS(Date.now() - code.at)
      foot.textContent = `${seconds} s`
      if (seconds === 0) this.clear()
    }
    afterFrame(tell)
    this.timer = window.setInterval(tell, 250)
  }

  showVoucher(voucher: KeptVoucher): void {
    const { title, squareOnly } = this.say.voucher
    const foot = this.show(voucher.text, null)
    const head = made('p', 'head')
    this.section.prepend(head)
    afterFrame(() => {
      head.textContent = title.replace('{meal}', this.say.meal[voucher.meal] ?? '')
      foot.textContent = squareOnly
      // To know of time zones takes a slow phone longer than all the rest.
      setTimeout(() => foot.append(` (${clockTime(voucher.endsAt, this.locale)})`))
    })
  }

  get stands(): boolean {
    return this.root.isConnected
  }

  /** Nothing to hold out any more. */
  clear(): void {
    clearInterval(this.timer)
    this.section.replaceChildren()
  }

  remove(): void {
    clearInterval(this.timer)
    this.root.remove()
  }

  private show(text: string, digits: string | null): HTMLElement {
    this.clear()
    const frame = made('div', 'frame')
    const square = made('canvas', 'square')
    square.dataset.testid = 'pay-qr'
    square.role = 'img'
    square.ariaLabel = this.say.code.qrLabel
    frame.append(square)
    const foot = made('p', 'foot')
    this.section.append(frame, foot)
    const width = Math.min(frame.clientWidth, WIDTH_MAX)
    drawQr(square, text, width)
    square.dataset.drawn = 'yes'
    if (digits !== null) {
      const bars = made('canvas', 'bars')
      bars.ariaHidden = 'true'
      drawBarcode(bars, digits, width, BARS_HEIGHT)
      frame.prepend(bars)
    }
    return foot
  }
}

/** Words come behind the first frame: to find the letters for them takes a slow phone longer than to draw a code. */
function afterFrame(act: () => void): void {
  requestAnimationFrame(() => setTimeout(act))
}
