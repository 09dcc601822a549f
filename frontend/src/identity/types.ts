export interface SignedInPerson {
  id: string
  name: string
  roles: string[]
}

export interface SessionAnswer {
  token: string
  person: SignedInPerson
}

export interface DemoLogin {
  username: string
  password: string
  name: string
  class: string
  roles: string[]
}

export interface NamedPlace {
  id: string
  name_zh: string
  name_en: string
}

export interface Region extends NamedPlace {
  code: string
  parent: string | null
  timezone: string
}

export type OrganisationKind = 'unit' | 'department' | 'operator'

export interface Organisation extends NamedPlace {
  code: string
  kind: OrganisationKind
  home_region: string
  parent: string | null
}

export interface Site extends NamedPlace {
  code: string
  kind: string
  region: string
  operator: string
}

export interface Person {
  id: string
  name: string
  staff_number: string | null
  phone: string | null
  username: string | null
  status: string
  triggers: string[]
  class: string | null
  organisation: NamedPlace | null
}

export interface PersonDetail extends Person {
  memberships: { organisation: NamedPlace; person_class: string; valid_from: string; valid_until: string | null }[]
}

export interface Terminal {
  id: string
  site: string
  name: string
  serial: string | null
  status: string
  triggers: string[]
  modes: string[]
  online: boolean
  last_seen_at: string | null
  rotation_due: boolean
}

export interface PairingCode {
  code: string
  expires_at: string
}

export interface ImportReport {
  dry_run: boolean
  rows: number
  created: number
  updated: number
  unchanged: number
  bad_cells: { row: number; column: string; value: string; reason_zh: string; reason_en: string }[]
}
