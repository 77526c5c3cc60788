import { expect, test } from 'vitest'
import { answers, expiryWords, lastWords, type LinkRow, pathWords, type PresenterRow, readRoom } from '../src/operator/room.ts'

const presenter: PresenterRow = {
  session: 1,
  name: 'Ada',
  kind: 'phone',
  role: 'click',
  link: 'abcdefgh23',
  muted: false,
  path: 'direct',
  rtt_ms: 12.4,
  clicks: 3,
  last: { intent: 'next', status: 'performed', from: 1, to: 2 },
  since: 0,
}
const link: LinkRow = { id: 'abcdefgh23', url: '', label: 'Ada', role: 'click', expires: null, revoked: false, qr: '' }

test('a presenter in words', () => {
  expect(pathWords(presenter)).toBe('directly · 12 ms')
  expect(lastWords(presenter)).toBe('3 clicks, last: next performed 1 → 2')
  expect(lastWords({ ...presenter, clicks: 1, last: null })).toBe('1 click')
  for (const path of [null, 'none']) {
    expect(pathWords({ ...presenter, path })).toBe('not answering')
    expect(answers({ ...presenter, path })).toBe(false)
  }
})

test('how long a link is good for', () => {
  const now = 1_000_000_000_000
  const good = (expires: number): string => expiryWords({ ...link, expires }, now)
  expect(expiryWords(link, now)).toBe('good for this show')
  expect([good(now / 1000 + 600), good(now / 1000 + 7200), good(now / 1000 - 1)]).toEqual(['good for 10 min', 'good for 2 h', 'expired'])
  expect(expiryWords({ ...link, revoked: true }, now)).toBe('withdrawn')
})

test('a state without a room is not an operator’s', () => {
  expect(readRoom({ type: 'state' })).toBeNull()
  expect(readRoom({ type: 'state', room: {} })).toEqual({ code: '', hosts: [], presenters: [], links: [] })
})
