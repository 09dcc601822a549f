import type { Schema } from '@/kernel/wire'

export const POINT_KINDS = ['way', 'door', 'stairs', 'lift'] as const
export type PlanRow = Schema<'PlanView'>
export type Plan = Schema<'DrawnPlan'>
export type DrawnPoint = Schema<'PointView'>
export type DrawnEdge = Omit<Schema<'EdgeView'>, 'metres'>
export type DrawnLink = Schema<'NewLink'> & { step_free: boolean }
/** Kinds of points that lead to other plans. */
export const LINKING = ['stairs', 'lift', 'door'] as const
