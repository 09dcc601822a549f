import { describe, expect, it } from 'vitest'
import { chooseLabel, placeLabelIn } from './placeCode'

const LABEL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLM'

describe('a label that was scanned', () => {
  it('is read by itself and at the end of its address', () => {
    expect(placeLabelIn(LABEL)).toBe(LABEL)
    expect(placeLabelIn(`https://example.test/at/${LABEL}`)).toBe(LABEL)
    expect(placeLabelIn(` https://example.test/at/${LABEL}?from=camera `)).toBe(LABEL)
  })

  it('is nothing else: no wall code, no shorter text, no other address', () => {
    expect(placeLabelIn('71'.padEnd(70, '0'))).toBeNull()
    expect(placeLabelIn(LABEL.slice(1))).toBeNull()
    expect(placeLabelIn(`https://example.test/pay/${LABEL}`)).toBeNull()
  })

  it('comes before other codes in view', () => {
    expect(chooseLabel(['https://example.test', LABEL])).toBe(LABEL)
    expect(chooseLabel(['something'])).toBe('something')
    expect(chooseLabel([])).toBeNull()
  })
})
