import type { Milestone, Sla, SlaMilestone } from './types'

export type ClockTone = 'ok' | 'warn' | 'bad' | 'idle'

/** What a reader should see of an agreement: the next moment that was promised, or the last one that was not kept. */
export interface ClockFace {
  milestone: Milestone
  tone: ClockTone
  /** Seconds until it is due; negative where it is over. */
  leftS: number
  dueAt: string | null
  paused: boolean
}

const TONES: Record<SlaMilestone['state'], ClockTone> = {
  waiting: 'ok',
  at_risk: 'warn',
  breached: 'bad',
  kept: 'ok',
  missed: 'bad',
  stopped: 'idle',
}

/** The face of an open order's clock; null where nothing runs any more. */
export function faceOf(sla: Sla | null, readAt: number, now: number): ClockFace | null {
  const next = sla?.milestones.find((each) => each.milestone === sla.next)
  if (!sla || !next || sla.state === 'met' || sla.state === 'stopped') return null
  const paused = sla.state === 'paused'
  // Working seconds were counted by the server; from there on the clock of this device goes.
  const leftS =
    next.due_at && !paused
      ? Math.round((Date.parse(next.due_at) - now) / 1000)
      : next.left_s - (paused ? 0 : Math.round((now - readAt) / 1000))
  return { milestone: next.milestone, tone: toneOf(next, leftS, paused), leftS, dueAt: next.due_at, paused }
}

function toneOf(milestone: SlaMilestone, leftS: number, paused: boolean): ClockTone {
  if (!paused && leftS < 0) return 'bad'
  return paused && milestone.state === 'waiting' ? 'idle' : TONES[milestone.state]
}

/** How long, in the two largest parts that matter: days and hours, hours and minutes, or minutes. */
export function partsOf(seconds: number): { unit: 'days' | 'hours' | 'minutes'; major: number; minor: number } {
  const minutes = Math.max(0, Math.floor(Math.abs(seconds) / 60))
  if (minutes >= 48 * 60) {
    return { unit: 'days', major: Math.floor(minutes / 1440), minor: Math.floor((minutes % 1440) / 60) }
  }
  if (minutes >= 60) return { unit: 'hours', major: Math.floor(minutes / 60), minor: minutes % 60 }
  return { unit: 'minutes', major: minutes, minor: 0 }
}
