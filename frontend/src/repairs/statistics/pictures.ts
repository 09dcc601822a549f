import type { EChartsCoreOption } from 'echarts/core'
import type { Statistics } from './types'
import { MILESTONES } from './types'
import type { FigureWords } from './useFigureWords'

/** The colours of the hour and how much room there is. */
export interface Paint {
  first: string
  second: string
  third: string
  bad: string
  ink: string
  soft: string
  line: string
  surface: string
  narrow: boolean
}

export type Draw = (paint: Paint) => EChartsCoreOption

const FONT = 12
const SCORE_MAX = 5

/** What all pictures have in common. */
function frame(paint: Paint): EChartsCoreOption {
  return {
    animationDuration: 160,
    animationDurationUpdate: 160,
    textStyle: { color: paint.ink },
    grid: { left: 8, right: 16, top: 40, bottom: 4, containLabel: true },
    legend: { top: 0, left: 0, itemWidth: 12, itemHeight: 12, textStyle: { color: paint.soft, fontSize: FONT } },
    tooltip: {
      trigger: 'axis',
      axisPointer: { type: 'shadow' },
      confine: true,
      backgroundColor: paint.surface,
      borderColor: paint.line,
      textStyle: { color: paint.ink },
    },
  }
}

function names(paint: Paint, data: string[], more: object = {}): object {
  return {
    type: 'category',
    data,
    axisLine: { lineStyle: { color: paint.line } },
    axisTick: { show: false },
    axisLabel: { color: paint.soft, fontSize: FONT, hideOverlap: true },
    ...more,
  }
}

function figures(paint: Paint, more: object = {}): object {
  return {
    type: 'value',
    minInterval: 1,
    splitNumber: paint.narrow ? 3 : 4,
    axisLabel: { color: paint.soft, fontSize: FONT },
    splitLine: { lineStyle: { color: paint.line } },
    ...more,
  }
}

/** Names of rows stand to the left of their bars; a long one is cut, the table has all of it. */
function rowNames(paint: Paint, data: string[]): object {
  return names(paint, data, {
    inverse: true,
    axisLabel: { color: paint.soft, fontSize: FONT, width: paint.narrow ? 76 : 130, overflow: 'truncate' },
  })
}

function bars(name: string, data: (number | null)[], colour: string, more: object = {}): object {
  return { type: 'bar', name, data, itemStyle: { color: colour, borderRadius: 2 }, barMaxWidth: 26, ...more }
}

export function flowPicture(found: Statistics, words: FigureWords): Draw {
  return (paint) => ({
    ...frame(paint),
    xAxis: names(
      paint,
      found.flow.map((point) => words.begin(point.begins, found.by)),
    ),
    yAxis: figures(paint),
    series: [
      bars(
        words.column('raised'),
        found.flow.map((point) => point.raised),
        paint.second,
      ),
      bars(
        words.column('finished'),
        found.flow.map((point) => point.finished),
        paint.first,
      ),
    ],
  })
}

/** Categories in the order of how many were raised, each with its shares. */
export function promisesByCategory(found: Statistics) {
  return found.by_category.flatMap((category) => {
    const own = found.promises_by_category.filter((row) => row.id === category.id)
    const shares = MILESTONES.map((name) => own.find((row) => row.milestone === name)?.kept_percent ?? null)
    return shares.some((share) => share !== null) ? [{ category, shares }] : []
  })
}

export function promisesPicture(found: Statistics, words: FigureWords): Draw {
  const rows = promisesByCategory(found)
  return (paint) => {
    const colours = [paint.third, paint.second, paint.first]
    return {
      ...frame(paint),
      xAxis: figures(paint, {
        max: 100,
        interval: 25,
        axisLabel: { color: paint.soft, fontSize: FONT, formatter: '{value}%' },
      }),
      yAxis: rowNames(
        paint,
        rows.map((row) => words.name(row.category)),
      ),
      series: MILESTONES.map((milestone, at) =>
        bars(
          words.say(`milestone.${milestone}`),
          rows.map((row) => row.shares[at] ?? null),
          colours[at] ?? paint.first,
          { barMaxWidth: 12, tooltip: { valueFormatter: (value: number | null) => words.share(value) } },
        ),
      ),
    }
  }
}

export function timesPicture(found: Statistics, words: FigureWords): Draw {
  return (paint) => ({
    ...frame(paint),
    xAxis: names(
      paint,
      found.times.map((bin) => timeName(bin.up_to_s, words)),
      { axisLabel: { color: paint.soft, fontSize: FONT, interval: 0, rotate: paint.narrow ? 45 : 0 } },
    ),
    yAxis: figures(paint),
    series: [
      bars(
        words.column('kept'),
        found.times.map((bin) => bin.kept),
        paint.first,
        { stack: 'time' },
      ),
      bars(
        words.column('broken'),
        found.times.map((bin) => bin.late),
        paint.bad,
        { stack: 'time' },
      ),
    ],
  })
}

/** `≤ 4 h`, whole hours as they are. */
export function timeName(upToS: number | null, words: FigureWords): string {
  return upToS === null ? words.column('longer') : `≤ ${upToS / 3600} h`
}

export function ratingsPicture(found: Statistics, words: FigureWords): Draw {
  return (paint) => ({
    ...frame(paint),
    xAxis: names(
      paint,
      found.satisfaction_over_time.map((point) => words.begin(point.begins, found.by)),
    ),
    yAxis: [
      figures(paint, {
        min: 0,
        max: 100,
        splitNumber: 5,
        interval: 20,
        axisLabel: { color: paint.soft, fontSize: FONT, formatter: '{value}%' },
      }),
      figures(paint, { min: 0, max: SCORE_MAX, interval: 1, splitLine: { show: false } }),
    ],
    series: [
      bars(
        words.column('response'),
        found.satisfaction_over_time.map((point) => point.response_percent),
        paint.third,
        { tooltip: { valueFormatter: (value: number | null) => words.share(value ?? null) } },
      ),
      {
        type: 'line',
        name: words.column('score'),
        yAxisIndex: 1,
        data: found.satisfaction_over_time.map((point) => point.mean_score),
        symbolSize: 8,
        lineStyle: { width: 2.5, color: paint.first },
        itemStyle: { color: paint.first },
        tooltip: { valueFormatter: (value: number | null) => words.mean(value ?? null) },
      },
    ],
  })
}

export function loadPicture(found: Statistics, words: FigureWords): Draw {
  return (paint) => ({
    ...frame(paint),
    xAxis: figures(paint),
    yAxis: rowNames(
      paint,
      found.technicians.map((one) => one.name),
    ),
    series: [
      bars(
        words.column('done'),
        found.technicians.map((one) => one.done),
        paint.first,
        { barMaxWidth: 16 },
      ),
      bars(
        words.column('now'),
        found.technicians.map((one) => one.under_way),
        paint.second,
        { barMaxWidth: 16 },
      ),
    ],
  })
}
