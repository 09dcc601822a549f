import type { Schema } from '@/kernel/wire'

export type SignedInPerson = Schema<'SignedInPerson'>
export type SessionAnswer = Schema<'SignedIn'>
export type Me = Schema<'Me'>

/** A login that the demo offers on the sign-in page; production has none. */
export interface DemoLogin {
  username: string
  password: string
  name: string
  class: string
  roles: string[]
}

export type Region = Schema<'RegionView'>
export type OrganisationKind = Schema<'OrganisationKind'>
export type Organisation = Schema<'OrganisationView'>
export type Site = Schema<'SiteView'>
export type Person = Schema<'PersonView'>
export type PersonDetail = Schema<'PersonDetail'>
export type Terminal = Schema<'TerminalView'>
export type PairingCode = Schema<'PairingCodeView'>
export type ImportReport = Schema<'ImportReport'>
export type GrantView = Schema<'GrantView'>
export type RoleChangePreview = Schema<'RoleChangePreview'>
export type PreviewPlace = Schema<'PreviewPlace'>
export type Slips = Schema<'Slips'>
export type Slip = Schema<'SlipView'>
export type Enrolment = Schema<'EnrolmentView'>
export type SignInOptions = Schema<'SignInOptions'>

/** What waits for a second person; `payload.preview` is what would change, in the form of its kind. */
export type Approval = Schema<'ApprovalView'>
