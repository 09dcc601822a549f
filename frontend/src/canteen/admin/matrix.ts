import { today } from '@/kernel/time'
import type { Ladder, Meal, PersonClass } from '../types'

/** The ladder of one cell that is in force today, and the next change of it, if one is planned. */
export function ladderAt(
  ladders: Ladder[],
  personClass: PersonClass,
  meal: Meal,
): { now: Ladder | null; next: Ladder | null } {
  const day = today()
  const cell = ladders.filter(
    (each) => each.person_class === personClass && each.meal === meal && each.order_state === 'walk_in',
  )
  const now = cell.find((each) => each.effective_from <= day && (!each.effective_to || each.effective_to > day)) ?? null
  const next =
    cell
      .filter((each) => each.effective_from > day)
      .sort((a, b) => a.effective_from.localeCompare(b.effective_from))[0] ?? null
  return { now, next }
}
