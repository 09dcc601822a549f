/** Money is whole fen everywhere; it becomes a yuan string only here, at the edge of the screen. */

/** `1800` -> `¥18.00`, `-50` -> `−¥0.50`. */
export function formatYuan(amountFen: number): string {
  const sign = amountFen < 0 ? '−' : ''
  return `${sign}¥${plainYuan(Math.abs(amountFen))}`
}

/** The same with a plus before what comes in, for lists of ins and outs. */
export function formatSignedYuan(amountFen: number): string {
  return amountFen > 0 ? `+${formatYuan(amountFen)}` : formatYuan(amountFen)
}

/** Only the figures, for inputs: `1800` -> `18.00`. */
export function plainYuan(amountFen: number): string {
  const yuan = Math.trunc(amountFen / 100)
  const fen = String(amountFen % 100).padStart(2, '0')
  return `${yuan.toLocaleString('en-US')}.${fen}`
}

/**
 * What a person typed, in fen; null when it is not an amount. Done on the digits themselves, so that
 * no binary fraction ever stands for money.
 */
export function parseYuan(text: string): number | null {
  const match = /^(\d{1,7})(?:\.(\d{0,2}))?$/.exec(text.trim().replace(/^¥/, ''))
  if (!match) return null
  return Number(match[1]) * 100 + Number((match[2] ?? '').padEnd(2, '0'))
}

const DIGITS = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'] as const

/** Amounts as they are said aloud: 1800 -> 十八元, 1850 -> 十八元五角, 205 -> 二元零五分. */
export function spokenYuan(amountFen: number): string {
  const yuan = Math.trunc(amountFen / 100)
  const jiao = Math.trunc(amountFen / 10) % 10
  const fen = amountFen % 10
  let text = yuan > 0 ? `${spokenInteger(yuan)}元` : ''
  if (jiao > 0) text += `${DIGITS[jiao]}角`
  if (fen > 0) text += `${jiao === 0 && yuan > 0 ? '零' : ''}${DIGITS[fen]}分`
  return text || '零元'
}

const ONES = [
  ...['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve'],
  ...['thirteen', 'fourteen', 'fifteen', 'sixteen', 'seventeen', 'eighteen', 'nineteen'],
]
const TENS = ['', '', 'twenty', 'thirty', 'forty', 'fifty', 'sixty', 'seventy', 'eighty', 'ninety']

/** The same in English: 1800 -> eighteen yuan, 1850 -> eighteen yuan fifty, 5 -> five fen. */
export function spokenYuanInEnglish(amountFen: number): string {
  const yuan = Math.trunc(amountFen / 100)
  const fen = amountFen % 100
  if (yuan === 0 && fen > 0) return `${wordsOf(fen)} fen`
  const small = fen === 0 ? '' : ` ${fen < 10 ? 'oh ' : ''}${wordsOf(fen)}`
  return `${wordsOf(yuan)} yuan${small}`
}

function wordsOf(value: number): string {
  if (value < 20) return ONES[value] ?? ''
  if (value < 100) return `${TENS[Math.trunc(value / 10)]}${value % 10 > 0 ? `-${ONES[value % 10]}` : ''}`
  const [size, name] = value < 1000 ? ([100, 'hundred'] as const) : ([1000, 'thousand'] as const)
  const rest = value % size
  const joint = rest === 0 ? '' : rest < 100 ? ' and ' : ' '
  return `${wordsOf(Math.trunc(value / size))} ${name}${joint}${rest === 0 ? '' : wordsOf(rest)}`
}

function spokenInteger(value: number): string {
  if (value >= 10_000) {
    const rest = value % 10_000
    const joint = rest > 0 && rest < 1000 ? '零' : ''
    return `${spokenInteger(Math.trunc(value / 10_000))}万${rest > 0 ? joint + spokenInteger(rest) : ''}`
  }
  let text = ''
  let zero = false
  for (const [size, unit] of [
    [1000, '千'],
    [100, '百'],
    [10, '十'],
    [1, ''],
  ] as const) {
    const digit = Math.trunc(value / size) % 10
    if (digit === 0) {
      zero = text !== ''
      continue
    }
    text += `${zero ? '零' : ''}${DIGITS[digit]}${unit}`
    zero = false
  }
  return text.startsWith('一十') ? text.slice(1) : text
}
