import { onBeforeUnmount, onMounted, ref, type Ref } from 'vue'

/** What is held to a reader: a pay code of ours, a card's number, or a guest's code of their own payment app. */
export type Presented = 'pay_code' | 'card' | 'guest'

/** What Enter may end: something held to a reader, an amount typed before it, or an amount alone. */
export interface WedgeEntry {
  code: string | null
  typed: string
  kind?: Presented
}

const LENGTHS = [220, 20] as const
const TYPED_MAX = 8
/** Alipay's: 16 to 24 digits, 25 to 30 in front. */
const GUEST_CODE = /^(?:2[5-9]|30)\d{14,22}$/
/** No amount has so many digits; a code of ours that was not read whole begins as ours do. */
const CARD_NUMBER = /^(?!70)\d{8,16}$/

/**
 * A scanner is a keyboard that types digits and Enter. Keys are read by their place on the keyboard, so a
 * Chinese input method cannot swallow them, and wherever on the page the focus happens to be.
 */
export function useWedge(
  input: Ref<HTMLInputElement | null>,
  pane: Ref<HTMLElement | null>,
  handlers: { enter: (entry: WedgeEntry) => void; escape: () => void; typed: () => void; asking: () => boolean },
  active: () => boolean,
) {
  const typed = ref('')
  let buffer = ''
  let shown: ReturnType<typeof setTimeout> | null = null

  /** Shown a moment later, so that a scan does not flicker through the amount. */
  function show(): void {
    if (shown) clearTimeout(shown)
    shown = setTimeout(() => {
      typed.value = buffer.length <= TYPED_MAX ? buffer : ''
      if (typed.value) handlers.typed()
    }, 45)
  }

  function set(value: string): void {
    buffer = value
    show()
  }

  /** Whether keys have come that no Enter has ended yet, a moment before they are shown. */
  function isHolding(): boolean {
    return buffer !== ''
  }

  function append(text: string): void {
    set(buffer + text)
  }

  function erase(): void {
    set(buffer.slice(0, -1))
  }

  function clear(): void {
    if (shown) clearTimeout(shown)
    buffer = ''
    typed.value = ''
  }

  function enter(): void {
    const entry = readEntry(buffer)
    clear()
    handlers.enter(entry)
  }

  function onKey(event: KeyboardEvent): void {
    if (!active() || event.ctrlKey || event.altKey || event.metaKey || !isOurs(event.target)) return
    const key = keyOf(event)
    if (key === null) return
    if (key === 'Enter' && buffer === '' && pressesButton(event.target)) return
    event.preventDefault()
    if (key === 'Enter') enter()
    else if (key === 'Escape') {
      clear()
      handlers.escape()
    } else if (key === 'Backspace') erase()
    else append(key)
  }

  /** Enter presses the button that has the focus, unless the till is asking and the button is no answer. */
  function pressesButton(target: EventTarget | null): boolean {
    if (!(target instanceof HTMLButtonElement)) return false
    return !handlers.asking() || target.dataset.answer !== undefined
  }

  function isOurs(target: EventTarget | null): boolean {
    if (!(target instanceof HTMLElement)) return true
    if (target === input.value || target === document.body) return true
    const edits = target.matches('input:not([type=radio]), textarea, select, [contenteditable]')
    return !edits && (pane.value?.contains(target) ?? false)
  }

  /** Some scanners paste instead of typing. */
  function onInput(): void {
    const text = input.value?.value ?? ''
    if (input.value) input.value.value = ''
    append(text.replace(/[^\d.]/g, ''))
    if (/[\r\n]/.test(text)) enter()
  }

  function focus(): void {
    input.value?.focus({ preventScroll: true })
  }

  onMounted(() => window.addEventListener('keydown', onKey))
  onBeforeUnmount(() => {
    window.removeEventListener('keydown', onKey)
    if (shown) clearTimeout(shown)
  })
  return { typed, isHolding, append, erase, clear, enter, onInput, focus }
}

function keyOf(event: KeyboardEvent): string | null {
  if (event.key === 'Enter' || event.code === 'NumpadEnter') return 'Enter'
  if (event.key === 'Escape' || event.key === 'Backspace') return event.key
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1] ?? (/^\d$/.test(event.key) ? event.key : null)
  if (digit !== null && !event.shiftKey) return digit
  return event.key === '.' || event.key === '。' || event.code === 'NumpadDecimal' ? '.' : null
}

/** Digits before a code in the same breath are the amount: "18" and then a scan, without Enter between. */
export function readEntry(buffer: string): WedgeEntry {
  for (const length of LENGTHS) {
    const rest = buffer.length - length
    const code = buffer.slice(Math.max(0, rest))
    if (rest >= 0 && rest <= TYPED_MAX && /^70\d+$/.test(code)) {
      return { code, typed: buffer.slice(0, rest), kind: 'pay_code' }
    }
  }
  if (GUEST_CODE.test(buffer)) return { code: buffer, typed: '', kind: 'guest' }
  if (CARD_NUMBER.test(buffer)) return { code: buffer, typed: '', kind: 'card' }
  // A code of another house is still a code, and the server says so; half a code is neither.
  if (/^\d{20}$|^\d{220}$/.test(buffer)) return { code: buffer, typed: '', kind: 'pay_code' }
  return buffer.length > TYPED_MAX ? { code: '', typed: '' } : { code: null, typed: buffer }
}
