import type { Named } from '@/kernel/names'

export type Meal = 'breakfast' | 'lunch' | 'dinner' | 'night'
export const MEALS: Meal[] = ['breakfast', 'lunch', 'dinner', 'night']
export type DayType = 'workday' | 'weekend' | 'holiday' | 'any'
export const DAY_TYPES: DayType[] = ['any', 'workday', 'weekend', 'holiday']
export type PersonClass = 'staff' | 'contract' | 'retired' | 'family' | 'visitor'
export const PERSON_CLASSES: PersonClass[] = ['staff', 'contract', 'retired', 'family', 'visitor']

export interface Canteen extends Named {
  id: string
  site: string
  region: string
  operator: string
  operator_name_zh: string
  operator_name_en: string
  is_open: boolean
  open_to_all: boolean
  units: string[]
  seats: number | null
  now: { meal: Meal | null; until_at: string | null; next_meal: Meal | null; next_opening_at: string | null }
}

export interface Period {
  meal: Meal
  day_type: DayType
  starts: string
  ends: string
  effective_from?: string
  effective_to?: string | null
}

export interface Ladder {
  canteen: string | null
  person_class: PersonClass
  meal: Meal
  order_state: string
  servings: { serving: number; price_fen: number; unit_share_fen: number }[]
  after_last: 'refuse' | 'guest'
  effective_from: string
  effective_to: string | null
}

export interface Dish extends Named {
  id: string
  category: string
  price_fen: number
  is_active: boolean
}

export interface MenuItem extends Named {
  dish_id: string
  category: string
  price_fen: number
  sold_out: boolean
}

export interface Menu {
  id: string
  business_date: string
  meal: Meal
  state: 'draft' | 'published' | 'withdrawn'
  allowed: string[]
  items: MenuItem[]
}
