/** What the wire says of repairs. */
export type Urgency = 'low' | 'normal' | 'high' | 'urgent'
export type HoldCause = 'waiting_requester' | 'parts' | 'contractor' | 'access' | 'out_of_hours' | 'other'
export type Milestone = 'response' | 'arrival' | 'resolution'

export interface PersonName {
  id: string
  name: string
}

export interface CheckItem {
  zh: string
  en: string
  is_required: boolean
}

export interface Category {
  id: string
  parent: string | null
  code: string
  name_zh: string
  name_en: string
  icon: string
  skill: string | null
  urgency: Urgency
  dispatch: 'automatic' | 'pool' | 'manual'
  checklist: CheckItem[]
  problem_threshold: number
  ordinal: number
  is_retired: boolean
}

export interface AttachedFile {
  id: string
  kind: 'picture' | 'voice'
  media_type: string
}

export interface SlaMilestone {
  milestone: Milestone
  target_s: number
  due_at: string | null
  left_s: number
  breached_at: string | null
  reached_at: string | null
  state: 'waiting' | 'at_risk' | 'breached' | 'kept' | 'missed' | 'stopped'
}

export interface Sla {
  state: 'ok' | 'warned' | 'breached' | 'paused' | 'met' | 'stopped'
  next: Milestone | null
  due_at: string | null
  paused_cause: string | null
  warning: string | null
  milestones: SlaMilestone[]
}

export interface Step {
  ordinal: number
  trigger: string
  state: string
  round: number
  actor_name: string | null
  words: string
  at: string
  happened_at: string | null
}

export interface Note {
  id: string
  kind: 'note' | 'before' | 'after'
  words: string
  author_name: string
  files: AttachedFile[]
  at: string
  is_public: boolean
}

export interface Check extends CheckItem {
  ordinal: number
  ticked_by: PersonName | null
  ticked_at: string | null
}

export interface Labour {
  id: string
  person: PersonName
  started_at: string
  minutes: number
  words: string
}

export interface Rating {
  who: string
  is_mine: boolean
  score: number
  words: string
  rated_at: string
  is_second: boolean
  answer: string
  answered_at: string | null
}

export interface OrderBrief {
  id: string
  category: { id: string; name_zh: string; name_en: string; icon: string }
  state: string
  place_text: string
  words: string
  raised_at: string
  raisers: number
}

/** A work order as lists carry it. */
export interface WorkOrder {
  id: string
  state: string
  version: number
  allowed: string[]
  region: string
  category: { id: string; name_zh: string; name_en: string; icon: string; skill: string | null }
  desk: string
  place: string | null
  place_text: string
  asset: { id: string; name_zh: string; name_en: string; code: string } | null
  words: string
  urgency: Urgency
  preferred_from: string | null
  preferred_until: string | null
  raisers: { id: string; name: string; is_guest: boolean }[]
  served: { id: string; name: string; is_guest: boolean }[]
  is_mine: boolean
  is_served: boolean
  assignee: PersonName | null
  round: number
  declines: number
  hold: { cause: HoldCause; until: string | null; since: string } | null
  files: AttachedFile[]
  merged_into: string | null
  problem: string | null
  call: string | null
  sla: Sla | null
  raised_at: string
  changed_at: string
  finished_at: string | null
  confirmed_by: 'person' | 'system' | null
  confirm_due_at: string | null
  ratings: Rating[]
}

/** The same whole, with all that has happened. */
export interface WholeOrder extends WorkOrder {
  history: Step[]
  notes: Note[]
  checklist: Check[]
  labour: Labour[]
  merged: { id: string; words: string; raiser_name: string; files: AttachedFile[]; raised_at: string }[]
  /** Only for those at the desk. */
  duplicates: OrderBrief[] | null
  phone: string | null
}

/** What a label opens. */
export interface RepairFormView {
  code: string
  place: { id: string; name_zh: string; name_en: string; full_name_zh: string; full_name_en: string }
  asset: { id: string; code: string; name_zh: string; name_en: string } | null
  /** Of the machine, where it has one. */
  category: string | null
  open_to_strangers: boolean
  signed_in: boolean
  categories: Category[]
  open: OrderBrief[]
}

export interface GuestOrder {
  state: string
  files: AttachedFile[]
  version: number
  allowed: string[]
  category: { name_zh: string; name_en: string }
  place_text: string
  words: string
  urgency: Urgency
  round: number
  notes: Note[]
  history: Step[]
  ratings: Rating[]
  assignee_name: string | null
  hold: { cause: string } | null
  raised_at: string
  is_merged: boolean
  confirm_due_at: string | null
}

/** A work order as the board carries ten thousand of them. */
export interface Card {
  id: string
  state: string
  version: number
  urgency: Urgency
  category: string
  place_text: string
  words: string
  assignee: string | null
  assignee_name: string | null
  round: number
  declines: number
  hold_cause: HoldCause | null
  raised_at: string
  changed_at: string
  problem: string | null
  due_at: string | null
  sla: 'ok' | 'warned' | 'breached' | 'paused' | null
}

export interface RepairDesk {
  id: string
  channel: string
  region: string
  region_name_zh: string
  region_name_en: string
}

export interface Candidate {
  person: PersonName
  fits: boolean
  load: number
  load_max: number
  on_duty: boolean
  declined: boolean
  reasons: string[]
}

export interface TriggerBody {
  client_id?: string
  version?: number
  happened_at?: string
  words?: string
  assignee?: string
  into?: string
  cause?: HoldCause
  until?: string | null
  score?: number
  files?: string[]
}
