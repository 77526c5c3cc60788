/* The presenter page without a page: its state, its words, its keys and its geometry. */

import { expect, test } from 'vitest'
import type { Bytes } from '../../src/protocol/bytes.ts'
import { monotonicClock } from '../../src/protocol/clock.ts'
import { commitment } from '../../src/protocol/handshake.ts'
import type { Receipt } from '../../src/protocol/presenter_session.ts'
import type { Verb } from '../../src/protocol/records.ts'
import { fit } from '../../src/ui/fit.ts'
import { connectionText } from '../../src/ui/connection_state.ts'
import { errorText } from '../../src/ui/errors.ts'
import { type App, type AppEvent, BEGINNING, can, mayClick, mayPoint, reduce } from '../../src/pages/presenter/app.ts'
import { verificationWords, wordsOf } from '../../src/pages/presenter/compare.ts'
import { fraction } from '../../src/pages/presenter/laser.ts'
import { hidingWords } from '../../src/pages/presenter/shield.ts'
import { buildWords, elapsed } from '../../src/pages/presenter/slide_text.ts'
import { notice, receiptWords, slideNumber } from '../../src/pages/presenter/words.ts'
import { keyIntent } from '../../src/ui/slide_keys.ts'
import { fromHex, readVectors } from '../support/hex.ts'

const after = (...events: AppEvent[]): App => events.reduce(reduce, BEGINNING)

const receipt = (fields: Partial<Receipt>): Receipt => ({
  sequence: 1,
  intent: { verb: 'next', argument: 0 },
  status: 'performed',
  from: 12,
  to: 13,
  reason: 'none',
  ms: 41.6,
  path: 'direct',
  ...fields,
})

const state = (deck: object, you: object = { role: 'click', muted: false }): AppEvent => ({
  type: 'message',
  message: { type: 'state', version: 1, deck, you, started: 5 },
})

test.each<[Partial<Receipt>, string, string]>([
  [{}, 'good', '12 → 13'],
  [{ from: null }, 'good', '→ 13'],
  [{ from: 12, to: 12 }, 'step', 'Step on 12'],
  [{ from: null, to: null }, 'good', 'Done'],
  [{ from: null, to: null, reason: 'unseen' }, 'good', 'Key sent'],
  [{ intent: { verb: 'black', argument: 0 }, from: 12, to: 12 }, 'good', 'Black: done'],
  [{ status: 'refused', reason: 'muted' }, 'bad', 'Refused'],
  [{ status: 'expired', reason: 'late' }, 'bad', 'Not sent in time'],
  [{ status: 'failed', reason: 'deck_error' }, 'bad', 'It failed'],
  [{ status: 'duplicate' }, 'step', 'Already done'],
  [{ status: 'unknown' }, 'unsure', 'Unknown'],
])('%o reads as what happened', (fields, tone, text) => {
  expect(receiptWords(receipt(fields))).toMatchObject({ tone, text })
})

test('a refusal says why', () => {
  const again = (verb: Verb, to: number, blank: 'black' | 'white' | null): string =>
    receiptWords(receipt({ intent: { verb, argument: 0 }, from: 12, to }), blank).text
  expect([again('black', 12, 'black'), again('next', 12, 'black'), again('white', 12, 'white')]).toEqual(Array(3).fill('Slide shown again'))
  expect([again('black', 12, null), again('black', 12, 'white'), again('next', 13, 'black')]).toEqual(['Black: done', 'Black: done', '12 → 13'])
  expect(receiptWords(receipt({ status: 'refused', reason: 'muted' })).detail).toBe('muted by the operator')
  expect(receiptWords(receipt({ status: 'refused', reason: 'at_end' })).detail).toBe('this is the last slide')
})

test('taps are counted until their receipts come', () => {
  const app = after({ type: 'tapped' }, { type: 'tapped' }, { type: 'receipt', receipt: receipt({}) })
  expect(app.pending).toBe(1)
  expect(app.receipt?.to).toBe(13)
})

test('the state says what the page may do and where it is', () => {
  const app = after(state({ status: 'running', slide: 3, count: 9, can: ['goto'], build: { position: 1, count: 4 } }))
  expect([slideNumber(app), buildWords(app), can(app, 'goto'), can(app, 'black')]).toEqual(['3 / 9', 'step 1 of 4', true, false])
  expect(slideNumber(after(state({ slide: 3, count: 9, slide_label: 'A-1' })))).toBe('3 / 9 (A-1)')
  expect(mayClick(app)).toBe(true)
  expect(mayClick(after(state({}, { role: 'laser' })))).toBe(false)
  expect(mayClick(after(state({}, { role: 'a role of a later version' })))).toBe(false)
})

test('a state of nothing is read without falling over', () => {
  const app = after({ type: 'message', message: { type: 'state', version: 1 } })
  expect([slideNumber(app), notice(app)]).toEqual(['–', 'This link can watch, not control'])
})

test('what is in the way is said, the most important first', () => {
  const running = { status: 'running', slide: 1 }
  expect(notice(BEGINNING)).toBe('')
  expect(notice(after(state(running)))).toBe('')
  expect(notice(after(state({ ...running, blank: 'black' })))).toBe('The screen is black')
  expect(notice(after(state({ ...running, blank: 'black' }, { role: 'click', muted: true })))).toBe('Muted by the operator')
  expect(notice(after(state({ status: 'no_show' })))).toBe('The slide show is not running')
  expect(notice(after(state({ status: 'no_deck' })))).toBe('No slides are open on the host')
})

test('who is not let in yet waits, and is told so', () => {
  const waiting = after(state({}, { role: 'click', muted: false, admitted: false }))
  expect(notice(waiting)).toBe('Waiting for the operator to let you in')
  expect([mayClick(waiting), mayPoint(waiting)]).toEqual([false, false])
  expect(receiptWords(receipt({ status: 'refused', reason: 'not_admitted' })).detail).toBe('not let in yet')
})

const limited = (deck: object, limits: object): string => notice(after(state({ status: 'running', ...deck }, { role: 'click', ...limits })))

test('the limits of a link are on the page, unless something is in the way', () => {
  expect(limited({}, { first: 10, last: 20 })).toBe('Your slides: 10–20')
  expect(limited({}, { first: 10, last: null })).toBe('Your slides: 10–end')
  expect(limited({}, { first: null, last: 20 })).toBe('Your slides: 1–20')
  expect(limited({}, { first: null, last: null })).toBe('')
  expect(limited({ blank: 'black' }, { first: 10, last: 20 })).toBe('The screen is black')
  expect(receiptWords(receipt({ status: 'refused', reason: 'range' })).detail).toBe('there is no such slide for you')
})

interface Words {
  handshake_hash: string
  presenter_nonce: string
  host_nonce: string
  words: string
}
test.each(readVectors<{ words: Words[] }>('control').words)('$words', async ({ handshake_hash, presenter_nonce, host_nonce, words }) => {
  expect(await verificationWords(fromHex(handshake_hash), fromHex(presenter_nonce), fromHex(host_nonce))).toBe(words)
})

test('words are shown once the host has opened its nonce, and never where it opens another', async () => {
  const [ours, theirs, hash] = [1, 2, 3].map((byte) => new Uint8Array(16).fill(byte)) as [Bytes, Bytes, Bytes]
  const met = (commit: string, hostNonce: Bytes | null): Parameters<typeof wordsOf>[0] =>
    ({ session: { hostNonce }, welcome: { role: 'click', keys: { handshakeHash: hash }, nonce: ours, commit } }) as Parameters<typeof wordsOf>[0]
  expect(await wordsOf({ session: null, welcome: null })).toContain('Not connected')
  expect(await wordsOf(met(await commitment(theirs), null))).toContain('Not connected')
  expect(await wordsOf(met(await commitment(theirs), theirs))).toBe(await verificationWords(hash, ours, theirs))
  expect(await wordsOf(met(await commitment(ours), theirs))).toContain('not your host')
})

const words = (byRoom: boolean, byUs: boolean, connectionState: App['connectionState'], isYoung = false): string =>
  hidingWords({ byRoom, byUs, connectionState, isYoung })

test('what holds of our address, in words', () => {
  expect(words(false, true, 'relayed')).toBe('Through a relay: nobody at the other end sees your address.')
  expect(words(true, false, 'relayed')).toBe('The room asks for it: it cannot be turned off. Through a relay: nobody at the other end sees your address.')
  expect(words(false, true, 'signaling')).toMatch(/^No relay answers: clicks go through the server/)
  expect(words(false, true, 'signaling', true)).toMatch(/^Looking for a relay/)
  expect(words(false, false, 'direct')).toBe('Connected directly: the host sees your address.')
  // By a relay because there is no other way: the host was told the addresses that it could not reach.
  for (const connectionState of ['relayed', 'signaling'] as const) expect(words(false, false, connectionState)).toMatch(/^Not hidden/)
})

const stateText = ({ connectionState, roundTrip }: App): string => connectionText(connectionState, roundTrip)

test('the connection in words', () => {
  expect(stateText(after({ type: 'connection_state', state: 'direct', roundTrip: 12 }))).toBe('Connected directly · 12 ms')
  expect(stateText(after({ type: 'connection_state', state: 'reconnecting', roundTrip: null }))).toBe('Reconnecting…')
})

test('an error covers the page unless the host is on the line, and goes when we are in', () => {
  const unknown: AppEvent = { type: 'error', code: 'link_unknown', message: '', final: false }
  expect(after(unknown).error?.code).toBe('link_unknown')
  expect(after(unknown, { type: 'joined' }).error).toBeNull()
  const connected: AppEvent = { type: 'connection_state', state: 'direct', roundTrip: 3 }
  expect(after(connected, unknown).error).toBeNull()
  expect(after(connected, { ...unknown, code: 'link_revoked', final: true }).error?.code).toBe('link_revoked')
})

test.each(['insecure', 'browser_old', 'link_incomplete', 'link_unknown', 'link_wrong', 'link_revoked', 'link_expired', 'room_ended', 'removed'])(
  '%s has words of its own',
  (code) => {
    const [title, advice] = errorText({ code, message: 'from the server', final: true })
    expect(title).not.toBe(errorText({ code: 'new', message: '', final: true })[0])
    expect(advice).not.toBe('from the server')
  },
)

test('what has no words here is said in the sentence that came', () => {
  expect(errorText({ code: 'room_full', message: 'The room is full.', final: false })[1]).toBe('The room is full.')
})

const NO_MODIFIER = { repeat: false, ctrlKey: false, metaKey: false, altKey: false }

test.each([
  ['PageDown', 'PageDown', 'next'],
  ['ArrowRight', 'ArrowRight', 'next'],
  [' ', 'Space', 'next'],
  ['Enter', 'Enter', 'next'],
  ['Enter', 'NumpadEnter', 'next'],
  ['PageDown', 'Numpad3', 'next'],
  ['PageUp', 'PageUp', 'previous'],
  ['Backspace', 'Backspace', 'previous'],
  ['Home', 'Home', 'first'],
  ['End', 'End', 'last'],
  ['b', 'KeyB', 'black'],
  ['B', 'KeyB', 'black'],
  ['.', 'Period', 'black'],
  ['w', 'KeyW', 'white'],
  ['F5', 'F5', 'start'],
  // The same keys under Russian, Greek, French and Dvorak layouts.
  ['и', 'KeyB', 'black'],
  ['β', 'KeyB', 'black'],
  [':', 'Period', 'black'],
  ['v', 'Period', 'black'],
  // A device that tells no place.
  ['PageDown', '', 'next'],
  [' ', '', 'next'],
])('the key %s at %s asks for %s', (key, code, verb) => {
  const event = { key, code, ...NO_MODIFIER }
  expect(keyIntent(event)).toEqual({ verb, argument: 0 })
  expect(keyIntent({ ...event, repeat: true })).toBeNull()
  expect(keyIntent({ ...event, ctrlKey: true })).toBeNull()
})

test('other keys ask for nothing', () => {
  for (const [key, code] of [['a', 'KeyA'], ['b', 'KeyN'], ['.', 'KeyE'], ['3', 'Numpad3'], ['Tab', 'Tab'], ['Escape', 'Escape'], ['constructor', '']] as const) {
    expect(keyIntent({ key, code, ...NO_MODIFIER })).toBeNull()
  }
})

test('a picture lies in the middle of its box, and a finger beside it points at its edge', () => {
  const picture = fit({ left: 10, top: 20, width: 400, height: 400 }, 2)
  expect(picture).toEqual({ left: 10, top: 120, width: 400, height: 200 })
  expect(fraction(picture, 110, 220)).toEqual({ x: 0.25, y: 0.5 })
  expect(fraction(picture, 0, 900)).toEqual({ x: 0, y: 1 })
})

test('elapsed time', () => {
  expect([null, -5, 0, 61_000, 3_600_000 + 65_000].map(elapsed)).toEqual(['–:––', '0:00', '0:00', '1:01', '1:01:05'])
})

test('the clock counts through sleep and never goes back', () => {
  let wall = 1_000_000
  const now = monotonicClock(() => wall)
  expect(now()).toBe(0)
  wall += 50
  expect(now()).toBe(50)
  wall -= 3_600_000
  expect(now()).toBe(50)
  wall += 7
  expect(now()).toBe(57)
})
