import { useI18n } from 'vue-i18n'
import { formatYuan } from '@/kernel/money'
import { nameIn } from '@/kernel/names'
import type { NamedFigures, OrderCounts, PromiseFigures } from './types'

/** How figures are written: shares, spans of working time, money, names. */
export function useFigureWords() {
  const { t, locale } = useI18n()
  const say = (key: string, values: Record<string, unknown> = {}) => t(`repairs.statistics.${key}`, values)
  const column = (key: string) => say(`column.${key}`)
  const share = (value: number | null) => (value === null ? say('noShare') : say('percent', { value }))
  const mean = (value: number | null) => (value === null ? say('noShare') : value.toFixed(2))
  const name = (of: NamedFigures) => nameIn(of, locale.value) || say('nameless')

  function span(seconds: number | null): string {
    if (seconds === null) return say('noShare')
    const minutes = Math.round(seconds / 60)
    if (minutes < 60) return say('minutes', { minutes })
    if (minutes % 60 === 0) return say('wholeHours', { hours: minutes / 60 })
    return say('hours', { hours: Math.floor(minutes / 60), minutes: minutes % 60 })
  }

  /** The beginning of a week or month, short enough for an axis. */
  function begin(day: string, by: string): string {
    const options: Intl.DateTimeFormatOptions =
      by === 'month' ? { year: 'numeric', month: 'short' } : { month: 'numeric', day: 'numeric' }
    return new Intl.DateTimeFormat(locale.value, { timeZone: 'UTC', ...options }).format(new Date(`${day}T00:00:00Z`))
  }

  const countColumns = () => ['raised', 'finished', 'open', 'off', 'declined', 'reopened'].map(column)
  const countCells = (row: OrderCounts) => [
    row.raised,
    row.finished,
    row.open,
    row.called_off,
    row.declines,
    row.reopenings,
  ]
  const promiseColumns = () =>
    ['promise', 'share', 'kept', 'broken', 'waiting', 'median', 'p90', 'promised'].map(column)
  const promiseCells = (row: PromiseFigures) => [
    say(`milestone.${row.milestone}`),
    share(row.kept_percent),
    row.kept,
    row.broken,
    row.waiting,
    span(row.median_s),
    span(row.p90_s),
    span(row.promise_s),
  ]
  return {
    say,
    column,
    share,
    mean,
    name,
    span,
    begin,
    money: formatYuan,
    countColumns,
    countCells,
    promiseColumns,
    promiseCells,
  }
}

export type FigureWords = ReturnType<typeof useFigureWords>
