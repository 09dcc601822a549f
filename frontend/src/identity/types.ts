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
