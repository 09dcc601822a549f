import { describe, expect, it } from 'vitest'
import { missingKinds, wordsOf } from './accountWords'

const OWNER = '0'.repeat(26) + 'abcdef'
const KNOWN = [{ account: 'payable', name_zh: '应付食堂', name_en: 'Canteen' }]

describe('an account in words', () => {
  it('is its kind and whose it is', () => {
    const places = [{ id: `can_${OWNER}`, name_zh: '一食堂', name_en: 'First' }]
    expect(wordsOf(`payable:${OWNER}`, KNOWN, places, 'zh-CN')).toBe('应付食堂 · 一食堂')
    expect(wordsOf(`payable:${OWNER}`, KNOWN, places, 'en')).toBe('Canteen · First')
    expect(wordsOf('payable', KNOWN, places, 'en')).toBe('Canteen')
  })

  it('ends with the last digits of an owner that nobody here knows', () => {
    expect(wordsOf(`payable:${OWNER}`, KNOWN, [], 'en')).toBe('Canteen · abcdef')
  })
})

describe('what is missing', () => {
  it('is named once for each kind, and not where the kind is mapped already', () => {
    expect(missingKinds([`payable:${OWNER}`, 'payable:1', 'due_to:2'], ['due_to'])).toEqual(['payable'])
  })
})
