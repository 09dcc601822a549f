import { promisesByCategory, timeName } from './pictures'
import type { Sheet, Statistics } from './types'
import { MILESTONES } from './types'
import type { FigureWords } from './useFigureWords'

/** The figures of each picture as a table. */

export function flowSheet(found: Statistics, words: FigureWords): Sheet {
  return {
    columns: [found.by, 'raised', 'finished'].map(words.column),
    rows: found.flow.map((point) => [words.begin(point.begins, found.by), point.raised, point.finished]),
  }
}

export function categoryPromisesSheet(found: Statistics, words: FigureWords): Sheet {
  return {
    columns: [words.column('category'), ...MILESTONES.map((name) => words.say(`milestone.${name}`))],
    rows: promisesByCategory(found).map((row) => [words.name(row.category), ...row.shares.map(words.share)]),
  }
}

export function timesSheet(found: Statistics, words: FigureWords): Sheet {
  return {
    columns: ['upTo', 'kept', 'broken'].map(words.column),
    rows: found.times.map((bin) => [timeName(bin.up_to_s, words), bin.kept, bin.late]),
  }
}

export function ratingsSheet(found: Statistics, words: FigureWords): Sheet {
  return {
    columns: [found.by, 'score', 'response', 'rated', 'byPerson', 'bySystem'].map(words.column),
    rows: found.satisfaction_over_time.map((point) => [
      words.begin(point.begins, found.by),
      words.mean(point.mean_score),
      words.share(point.response_percent),
      point.rated,
      point.confirmed_by_person,
      point.confirmed_by_system,
    ]),
  }
}

export function loadSheet(found: Statistics, words: FigureWords): Sheet {
  return {
    columns: ['person', 'done', 'now', 'given', 'declined', 'time', 'score', 'ratings'].map(words.column),
    rows: found.technicians.map((one) => [
      one.name,
      one.done,
      one.under_way,
      one.given,
      one.declined,
      words.span(one.minutes * 60),
      words.mean(one.mean_score),
      one.ratings,
    ]),
  }
}

export function promisesSheet(found: Statistics, words: FigureWords): Sheet {
  const all = found.promises.map((row) => [words.say('all'), ...words.promiseCells(row)])
  const urgencies = found.promises_by_urgency.map((row) => [
    words.say(`urgency.${row.urgency}`),
    ...words.promiseCells(row),
  ])
  return { columns: [words.column('of'), ...words.promiseColumns()], rows: [...all, ...urgencies] }
}

export function costsSheet(rows: Statistics['costs_by_unit'], what: 'unit' | 'category', words: FigureWords): Sheet {
  return {
    columns: [what, 'time', 'labour', 'parts', 'total'].map(words.column),
    rows: rows.map((row) => [
      words.name(row),
      words.span(row.minutes * 60),
      words.money(row.labour_fen),
      words.money(row.parts_fen),
      words.money(row.total_fen),
    ]),
  }
}
