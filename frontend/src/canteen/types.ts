import type { Schema } from '@/kernel/wire'

export type Meal = Schema<'Meal'>
export const MEALS: Meal[] = ['breakfast', 'lunch', 'dinner', 'night']
export type DayType = Schema<'DayType'>
export const DAY_TYPES: DayType[] = ['any', 'workday', 'weekend', 'holiday']
export type PersonClass = Schema<'PersonClass'>
export const PERSON_CLASSES: PersonClass[] = ['staff', 'contract', 'retired', 'family', 'visitor']

export type Canteen = Schema<'CanteenView'>
export type Setup = Schema<'SetupView'>
export type SetupStep = Schema<'SetupStepView'>
export type Period = Schema<'PeriodView'>
/** A window as it is written: when it counts from is said once for all of them. */
export type PeriodLine = Schema<'PeriodLine'>
export type Ladder = Schema<'LadderView'>
export type Dish = Schema<'DishView'>
export type Menu = Schema<'MenuView'>
export type MenuItem = Schema<'MenuItemView'>
export type Limit = Schema<'LimitView'>
export type LadderPrices = Schema<'LadderPrices'>
export type LimitAmounts = Schema<'LimitAmounts'>
export type PriceChangePreview = Schema<'PriceChangePreview'>
