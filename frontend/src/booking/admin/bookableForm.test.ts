import { describe, expect, it } from 'vitest'
import { becomeKind, bodyOf, formOf } from './bookableForm'

describe('what a form of the office sends', () => {
  it('says no unit of price where it is free of charge', () => {
    expect(bodyOf(formOf(null))).toMatchObject({ rate_fen: null, rate_per: null })
  })

  it('books a hotel room by nights, and as many as were said', () => {
    const form = formOf(null)
    form.kind = 'hotel_room'
    becomeKind(form)
    form.nights_max = 7
    form.rate = '320'
    expect(bodyOf(form)).toMatchObject({
      arrive_at: '14:00',
      leave_at: '12:00',
      minutes_max: 10_080,
      rate_fen: 32_000,
      rate_per: 'night',
      opens_at: null,
    })
  })

  it('leaves out what is not of its kind, and layouts that seat nobody', () => {
    const form = formOf(null)
    form.layouts = { theatre: 120, board: undefined }
    const body = bodyOf(form)
    expect(body).toMatchObject({ layouts: { theatre: 120 } })
    expect(body).not.toHaveProperty('plate')
    expect(body).not.toHaveProperty('room_type')
  })

  it('sends nothing where the price is no amount', () => {
    expect(bodyOf({ ...formOf(null), rate: 'much' })).toBeUndefined()
  })
})
