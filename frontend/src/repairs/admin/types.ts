import type { Schema } from '@/kernel/wire'

export type CategoryRow = Schema<'CategoryView'>
export type CategoryBody = Schema<'CategoryRequest'>
export type Technician = Schema<'TechnicianView'>
export type Skill = Schema<'SkillView'>
export type Target = Schema<'SlaTargetView'>
export type Hours = Schema<'HoursView'>
export type Preview = Schema<'PreviewView'>
export type Store = Schema<'StoreView'>
export type Part = Schema<'PartView'>
export type Move = Schema<'MoveView'>
export type Rate = Schema<'RateView'>
export type Problem = Schema<'ProblemView'>
export type Region = Schema<'RegionView'>
export type ServedPerson = Schema<'ServedPersonView'>
export type TreePlace = Schema<'TreePlaceView'>
