/* The deciding parts of media on the pages: when a picture is live, what is said of what is sent, why there is no camera. */

import { expect, test } from 'vitest'
import { OnAir } from '../../src/pages/program/on_air.ts'
import { Freshness } from '../../src/media/freshness.ts'
import { loudness } from '../../src/media/level.ts'
import { type Kind, refusalCode, type RefusalCode, refusalWords } from '../../src/media/refusals.ts'
import { chips, screenWords, type Sending, sendingWords } from '../../src/media/words.ts'

test('a picture is live from its first frame on, and for some seconds without one', () => {
  const picture = new Freshness()
  expect(picture.isFresh(0)).toBe(false)
  picture.counted(0, 0)
  expect(picture.isFresh(0)).toBe(false)
  picture.counted(1000, 1)
  picture.counted(3000, 1)
  expect([picture.isFresh(4999), picture.isFresh(5000)]).toEqual([true, false])
  picture.counted(9000, 2)
  expect(picture.isFresh(9000)).toBe(true)
})

test('the program page is black until a frame, still for a moment without one, and black at once when nobody is on air', () => {
  const air = new OnAir()
  expect(air.isShown(0)).toBe(false)
  air.told(0, true)
  air.counted(1000, 1)
  air.counted(2000, 1)
  expect([air.isShown(4999), air.isShown(5000)]).toEqual([true, false])
  air.counted(6000, 2)
  air.told(6500, false)
  expect(air.isShown(6500)).toBe(false)
  air.counted(7000, 5) // they were on their way
  expect(air.isShown(7000)).toBe(false)
  air.told(8000, true)
  air.counted(8100, 1) // of a new connection
  expect(air.isShown(8100)).toBe(true)
})

test('a host that never says who is on air hides nobody', () => {
  const air = new OnAir()
  air.told(0, false)
  air.counted(10, 1)
  air.told(20, false)
  expect(air.isShown(30)).toBe(true)
})

const sending: Sending = { camera: true, microphone: true, muted: false, connectionState: 'open', refusal: '', state: {} }

test.each<[Partial<Sending>, string, string]>([
  [{ camera: false, microphone: false }, 'off', 'Nobody sees or hears you.'],
  [{}, 'sent', 'Camera and microphone are sent. The operator puts you on air.'],
  [{ microphone: false }, 'sent', 'The camera is sent. The operator puts you on air.'],
  [{ state: { on_air: true } }, 'air', 'You are on air: the room sees and hears you.'],
  [{ camera: false, state: { on_air: true, recording: true } }, 'air', 'You are on air: the room hears you. It is being recorded.'],
  [{ connectionState: 'connecting' }, 'waiting', 'Connecting…'],
  [{ connectionState: 'interrupted', state: { on_air: true } }, 'bad', 'Interrupted: trying again. Your clicks are not affected.'],
  [{ connectionState: 'refused', refusal: 'No media here.' }, 'bad', 'Not sent: No media here.'],
  [{ connectionState: 'off', camera: false, microphone: false, state: { recording: true } }, 'off', 'Nobody sees or hears you. The show is being recorded.'],
])('what is sent: %j', (fields, tone, text) => {
  expect(sendingWords({ ...sending, ...fields })).toEqual({ tone, text })
})

const texts = (fields: Partial<Sending>): string[] => chips({ ...sending, ...fields }).map(({ text }) => text)

test('the labels over the slide say first what matters most', () => {
  expect(texts({ camera: false, microphone: false })).toEqual([])
  expect(texts({ state: { on_air: true, recording: true } })).toEqual(['On air', 'Recording', 'Camera on', 'Mic on'])
  expect(texts({ microphone: false, muted: true })).toEqual(['Camera on', 'Muted'])
  expect(texts({ connectionState: 'interrupted', state: { on_air: true } })).toEqual(['On air', 'Picture and sound interrupted', 'Camera on', 'Mic on'])
  expect(texts({ camera: false, microphone: false, state: { on_air: true } }), 'nothing is sent, so nobody is seen').toEqual([])
})

const circumstances = { permission: null, allowedByPolicy: true, userAgent: '' }

test.each<[name: string, message: string, Partial<typeof circumstances> | { permission: PermissionState }, RefusalCode]>([
  ['NotAllowedError', 'Permission denied', {}, 'denied'],
  ['NotAllowedError', 'Permission denied', { permission: 'denied' }, 'denied'],
  ['NotAllowedError', 'Permission dismissed', {}, 'dismissed'],
  ['NotAllowedError', 'The request is not allowed by the user agent', { permission: 'prompt' }, 'dismissed'],
  ['NotAllowedError', 'Permission denied by system', { permission: 'granted' }, 'denied_by_system'],
  ['NotAllowedError', 'Permission denied', { permission: 'granted' }, 'denied_by_system'],
  ['NotAllowedError', 'Permission denied', { allowedByPolicy: false }, 'policy'],
  ['SecurityError', '', {}, 'denied'],
  ['NotFoundError', 'Requested device not found', {}, 'missing'],
  ['NotReadableError', 'Device in use', {}, 'busy'],
  ['AbortError', 'Timeout starting video source', {}, 'busy'],
  ['OverconstrainedError', '', {}, 'not_there'],
  ['TypeError', '', {}, 'unsupported'],
  ['SomethingNew', '', {}, 'failed'],
])('%s (%s) %j is %s', (name, message, around, code) => {
  expect(refusalCode({ name, message }, { ...circumstances, ...around })).toBe(code)
})

test('every refusal names the device and says what to do, on each system in its own words', () => {
  const codes: RefusalCode[] = ['unsupported', 'insecure', 'policy', 'denied', 'denied_by_system', 'dismissed', 'missing', 'busy', 'not_there', 'unplugged', 'withdrawn', 'failed']
  for (const kind of ['camera', 'microphone'] satisfies Kind[]) {
    for (const code of codes) {
      const { title, advice } = refusalWords(code, kind, '')
      expect(title).toContain(kind)
      expect(advice).toMatch(/^(Open|Click|Allow|Press|Plug|Close|Choose|Try|The server)/)
    }
    const advice = (userAgent: string): string => refusalWords('denied_by_system', kind, userAgent).advice
    const systems = ['iPhone', 'Android', 'Mac OS X', 'Windows NT', 'X11; Linux']
    expect(new Set(systems.map(advice)).size).toBe(systems.length)
  }
})

const tone = (amplitude: number): number => loudness(Array.from({ length: 480 }, (_, n) => amplitude * Math.SQRT2 * Math.sin(n / 5)))

test('silence is nothing, full scale is everything', () => {
  expect(loudness(new Float32Array(480))).toBe(0)
  expect(tone(1)).toBeCloseTo(1, 1)
  expect(tone(0.1)).toBeCloseTo(2 / 3, 1)
  expect(tone(0.0001)).toBe(0)
})

test('why there is a slide where the screen was', () => {
  const watching = { wanted: true, isLive: true, isOver: false, connectionState: 'open', refusal: '' } as const
  expect(screenWords(watching)).toBe('')
  expect(screenWords({ ...watching, isLive: false })).toBe('No live picture at the moment: this is the slide.')
  expect(screenWords({ ...watching, isLive: false, connectionState: 'refused', refusal: 'Too many.' })).toBe('Too many.')
  expect(screenWords({ ...watching, wanted: false, isLive: false, isOver: true })).toBe('The screen is no longer shared: this is the slide.')
  expect(screenWords({ ...watching, wanted: false })).toBe('')
})
