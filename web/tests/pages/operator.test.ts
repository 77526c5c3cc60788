import { expect, test } from 'vitest'
import type { LinkEntry, PresenterEntry } from '../../src/protocol/messages.ts'
import { withRoom } from '../support/messages.ts'
import { answers, elapsedWords, expiryWords, lastWords, originWords, pathWords, placesWords, readRoom, rejectedRows, rulesWords, secondsUntil, sentWords } from '../../src/pages/operator/room.ts'

const presenter: PresenterEntry = {
  session: 1,
  name: 'Ada',
  kind: 'phone',
  role: 'click',
  link: 'abcdefgh23',
  muted: false,
  admitted: true,
  words: 'alfa bravo charlie delta echo',
  path: 'direct',
  rtt_ms: 12.4,
  clicks: 3,
  last: { intent: 'next', status: 'performed', reason: 'none', from: 1, to: 2 },
  since: 0,
  camera: false,
  microphone: false,
  on_air: false,
  reception: null,
}
const link: LinkEntry = {
  id: 'abcdefgh23',
  url: '',
  label: 'Ada',
  role: 'click',
  page: 'p',
  not_before: null,
  expires: null,
  first: null,
  last: null,
  one_device: false,
  in_use: false,
  by_hand: false,
  revoked: false,
  expired: false,
}

test('a presenter in words', () => {
  expect(pathWords(presenter)).toBe('directly · 12 ms')
  expect(lastWords(presenter)).toBe('3 clicks, last: next performed 1 → 2')
  expect(lastWords({ ...presenter, clicks: 1, last: null })).toBe('1 click')
  for (const path of [null, 'none'] as string[]) {
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
  // By the host's clock: this browser's may be wrong.
  expect(expiryWords({ ...link, expires: now / 1000 + 600, expired: true }, now)).toBe('expired')
  expect(expiryWords({ ...link, revoked: true, expired: true }, now)).toBe('withdrawn')
  const later = { ...link, not_before: now / 1000 + 600 }
  expect(expiryWords(later, now)).toMatch(/^opens .*\d\d:\d\d/)
  expect(expiryWords({ ...later, expires: now / 1000 + 7800 }, now)).toMatch(/^opens .*, then good for 2 h$/)
  expect(expiryWords(later, now + 600_000)).toBe('good for this show')
})

test('what was refused in words, the serious first, and nothing where there is nothing', () => {
  expect(rejectedRows({})).toEqual([])
  expect(rejectedRows({ replayed: 9, forged: 2, malformed: 1, malformed_hello: 2, laser_late: 0, of_a_later_version: 1 })).toEqual([
    { words: 'made no sense', count: 3, serious: true },
    { words: 'altered or made up on the way', count: 2, serious: true },
    { words: 'came a second time', count: 9, serious: false },
    { words: 'of a later version', count: 1, serious: false },
  ])
})

test('the rules of a link in words', () => {
  expect(rulesWords(link)).toEqual([])
  expect(rulesWords({ ...link, first: 10, last: 20, one_device: true, by_hand: true })).toEqual(['slides 10–20', 'one device', 'let in by hand'])
  expect(rulesWords({ ...link, last: 20, one_device: true, in_use: true })).toEqual(['slides 1–20', 'one device, which has it'])
  expect(rulesWords({ ...link, first: 10 })).toEqual(['slides 10–end'])
})

test('a time is the next one', () => {
  const noon = new Date(2026, 2, 5, 12, 0, 0)
  expect([secondsUntil('12:30', noon), secondsUntil('12:00', noon), secondsUntil('', noon)]).toEqual([1800, 86_400, null])
})

test('a state without a room is not an operator’s', () => {
  expect(readRoom(withRoom())).toBeNull()
  expect(readRoom(withRoom({}))).toEqual({ code: '', hosts: [], presenters: [], links: [], rejected: {}, media: null })
})

test('who holds places, in words', () => {
  const row = { link: 'abcdefgh23', count: 64, proven: 64, away: 0, since: 1_000_000_000, origins: [] }
  expect(placesWords(row)).toEqual([expect.stringMatching(/^64 devices since .*\d\d:\d\d/)])
  expect(placesWords({ ...row, count: 1, proven: 0, away: 1 })).toEqual([expect.stringMatching(/^1 device since /), '1 not proven yet', '1 away'])
  expect(originWords({ count: 3 })).toBe('3 devices from one network')
  expect(readRoom(withRoom({ places: [row] }))?.places).toEqual([row])
})

test('what a presenter sends, in words', () => {
  expect(sentWords(presenter)).toBe('')
  expect(sentWords({ camera: true, microphone: true })).toBe('camera and microphone on')
  expect(sentWords({ microphone: true, on_air: true })).toBe('on air, microphone on')
  expect(sentWords({ on_air: true })).toBe('on air, but sends nothing')
  expect(sentWords({ camera: true, reception: null })).toBe('camera on')
  expect(sentWords({ camera: true, reception: { kbps: 1500, lost: 0, gone: 0 } })).toBe('camera on (1.5 Mbit/s)')
  expect(sentWords({ camera: true, on_air: true, reception: { kbps: 700, lost: 5, gone: 0 } })).toBe('on air, camera on (700 kbit/s, 5 % lost on the way, all of it repaired)')
  expect(sentWords({ camera: true, reception: { kbps: 700, lost: 20, gone: 2 } })).toBe('camera on (700 kbit/s, 20 % lost on the way, 2 % for good)')
  expect(sentWords({ microphone: true, reception: { kbps: 700, lost: 5, gone: 0 } })).toBe('microphone on')
  expect([0, 61.9, 3600].map(elapsedWords)).toEqual(['00:00', '01:01', '1:00:00'])
})

test('media in the room, whatever of it the host says', () => {
  const media = { screen: true, recording: false, can_share: true, problem: null, recorded: null }
  expect(readRoom(withRoom({ media: { screen: true, can_share: true } }))?.media).toEqual(media)
  const wrong = { screen: 1, recording: 'yes', problem: 7, recorded: '12' }
  expect(readRoom(withRoom({ media: wrong }))?.media).toEqual({ ...media, screen: false, can_share: false })
  const full = { screen: false, recording: true, can_share: false, problem: 'The disk is full.', recorded: 12.5 }
  expect(readRoom(withRoom({ media: full }))?.media).toEqual(full)
})
