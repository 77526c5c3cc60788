/* The media connection between its host and a browser: what it offers, what it says, and what it does when things break. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { FromHost, FromPresenter } from '../../src/protocol/messages.ts'
import { fromHost, type Loose } from '../support/messages.ts'
import type { Line } from '../../src/media/lines.ts'
import { MediaConnection } from '../../src/media/media_connection.ts'
import { FakeConnection, FakeReceiver, FakeTrack } from '../support/browserlike.ts'

const SPEAKER: Line[] = ['screen', 'camera', 'microphone', 'sound']
const said: Loose[] = []
const received: [line: Line, track: unknown][] = []
let handlers = new Map<string, (message: FromHost) => void>()
let reachable = true
const core = {
  session: {} as object | null,
  rules: () => ({ iceServers: [{ urls: 'stun:clicker.example:3478' }], ownHost: 'clicker.example', network: '', privacy: 'private' }),
}
const host = {
  core,
  send: (message: FromPresenter): boolean => reachable && said.push({ ...message }) > 0,
  onMessage: <T extends FromHost['type']>(type: T, handler: (message: Extract<FromHost, { type: T }>) => void): void =>
    void handlers.set(type, handler as (message: FromHost) => void),
}

const connect = (lines = SPEAKER): MediaConnection =>
  new MediaConnection(lines, host, { changed: () => undefined, received: (line, track) => void received.push([line, track]) })
const newest = (): FakeConnection => FakeConnection.made.at(-1) as FakeConnection
const of = (type: string): Loose[] => said.filter((message) => message.type === type)
const hears = (type: string, fields: object): void => handlers.get(type)?.(fromHost({ type, ...fields }))
const track = (kind: 'video' | 'audio', settings?: MediaTrackSettings): MediaStreamTrack => new FakeTrack(kind, settings) as unknown as MediaStreamTrack
const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)

async function opened(media: MediaConnection): Promise<FakeConnection> {
  media.open()
  await settled()
  hears('media_answer', { generation: of('media_offer').at(-1)?.['generation'], sdp: 'v=0\r\n' })
  await settled()
  newest().becomes('connected')
  return newest()
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(1)
  vi.stubGlobal('RTCPeerConnection', FakeConnection)
  vi.stubGlobal('RTCRtpReceiver', FakeReceiver)
  for (const list of [said, received, FakeConnection.made]) list.length = 0
  handlers = new Map()
  reachable = true
  core.session = {}
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

test('a speaker offers four lines in order, each with the codecs that survive a bad network', async () => {
  connect().open()
  await settled()
  expect(of('media_offer')).toEqual([{ type: 'media_offer', generation: 1, sdp: expect.stringContaining('v=0\r\n'), lines: SPEAKER }])
  const [screen, camera, microphone, sound] = newest().transceivers
  expect([screen, camera, microphone, sound].map((one) => [one?.kind, one?.direction])).toEqual([
    ['video', 'recvonly'],
    ['video', 'sendonly'],
    ['audio', 'sendonly'],
    ['audio', 'recvonly'],
  ])
  expect(screen?.codecs).toEqual(['video/VP8', 'video/H264', 'video/rtx', 'video/red', 'video/ulpfec', 'video/flexfec-03'])
  expect(camera?.codecs).toEqual(['video/VP8', 'video/rtx', 'video/red', 'video/ulpfec'])
  expect(microphone?.codecs).toEqual(['audio/red', 'audio/opus'])
  expect(sound?.codecs).toEqual(['audio/red', 'audio/opus'])
  expect(camera?.sender.parameters.encodings[0]).toMatchObject({ priority: 'low', networkPriority: 'low' })
  expect(microphone?.sender.parameters.encodings[0]).toMatchObject({ priority: 'medium', networkPriority: 'medium' })
})

test("the room's privacy holds for media as for clicks", async () => {
  const media = connect()
  media.open()
  await settled()
  expect(newest().configuration).toMatchObject({ iceTransportPolicy: 'relay', bundlePolicy: 'max-bundle' })
  hears('media_candidate', { generation: 1, candidate: { candidate: 'candidate:1 1 udp 2130706431 192.168.1.7 50000 typ host' } })
  hears('media_answer', { generation: 1, sdp: 'v=0\r\n' })
  hears('media_candidate', { generation: 1, candidate: null })
  await settled()
  expect(newest().candidates).toEqual([undefined])
  expect(media.stopped.candidates).toBe(1)
})

test('relays only for this end: the media connection is made anew, and its offer asks for it', async () => {
  const media = connect()
  await opened(media)
  expect(of('media_offer').at(-1)).not.toHaveProperty('privacy')
  const before = newest()
  vi.spyOn(core, 'rules').mockReturnValue({ ...core.rules(), privacy: 'open', relaysOnly: true } as ReturnType<typeof core.rules>)
  media.sessionBegan()
  await settled()
  expect(before.closed).toBe(true)
  expect(newest().configuration.iceTransportPolicy).toBe('relay')
  expect(of('media_offer').at(-1)).toMatchObject({ generation: 2, privacy: 'private' })
})

test('a track goes out and is taken back without a new offer, and each time the host is told', async () => {
  const media = connect()
  const peer = await opened(media)
  media.setTrack('camera', track('video', { width: 1920, height: 1080 }))
  await settled()
  expect(peer.transceivers[1]?.sender.track).not.toBeNull()
  expect(peer.transceivers[1]?.sender.parameters).toMatchObject({ degradationPreference: 'balanced', encodings: [{ scaleResolutionDownBy: 1.5 }] })
  media.setTrack('microphone', track('audio'))
  media.setTrack('camera', null)
  await settled()
  expect(peer.transceivers[1]?.sender.track).toBeNull()
  expect(of('media_on').map(({ camera, microphone }) => [camera, microphone])).toEqual([
    [false, false],
    [true, false],
    [true, true],
    [false, true],
  ])
  expect(of('media_offer').length).toBe(1)
})

test('a camera held upright is made no smaller than it has to be', async () => {
  const media = connect()
  const peer = await opened(media)
  media.setTrack('camera', track('video', { width: 720, height: 1280 }))
  await settled()
  expect(peer.transceivers[1]?.sender.parameters.encodings[0]?.scaleResolutionDownBy).toBe(1)
})

test('an offer without an answer is said again, less and less often, and then made anew', async () => {
  const media = connect()
  media.open()
  await vi.advanceTimersByTimeAsync(7500)
  expect(of('media_offer').map(({ generation }) => generation)).toEqual([1, 1, 1, 1]) // at 0, 1, 3 and 7 s
  await vi.advanceTimersByTimeAsync(8500 + 1000)
  expect(of('media_offer').at(-1)?.['generation']).toBe(2)
  expect(FakeConnection.made[0]?.closed).toBe(true)
})

test('what breaks is made anew, ever later while that fails, and soon again once it has worked', async () => {
  const media = connect()
  media.setTrack('camera', track('video'))
  ;(await opened(media)).becomes('failed')
  expect(media.connectionState).toBe('interrupted')
  const waits = []
  media.open()
  for (let round = 0; round < 7; round++) {
    const [before, generations] = [Date.now(), FakeConnection.made.length]
    while (FakeConnection.made.length === generations) await vi.advanceTimersByTimeAsync(250)
    waits.push(Date.now() - before)
    newest().becomes('failed')
  }
  expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
  await vi.advanceTimersByTimeAsync(30_000)
  hears('media_answer', { generation: of('media_offer').at(-1)?.['generation'], sdp: 'v=0\r\n' })
  newest().becomes('connected')
  await settled()
  expect(newest().transceivers[1]?.sender.track, 'what was sent is sent again').not.toBeNull()
  await vi.advanceTimersByTimeAsync(10_000)
  const generations = FakeConnection.made.length
  newest().becomes('failed')
  await vi.advanceTimersByTimeAsync(1000)
  expect(FakeConnection.made.length).toBe(generations + 1)
})

test('a moment without network is waited for, and takes nobody off air', async () => {
  const media = connect()
  media.setTrack('camera', track('video'))
  const peer = await opened(media)
  const told = of('media_on').length
  peer.becomes('disconnected')
  expect([media.connectionState, media.isSending('camera')]).toEqual(['interrupted', false])
  await vi.advanceTimersByTimeAsync(2900)
  peer.becomes('connected')
  await vi.advanceTimersByTimeAsync(5000)
  expect([media.connectionState, media.isSending('camera')]).toEqual(['open', true])
  expect(FakeConnection.made.length).toBe(1)
  peer.becomes('disconnected')
  await vi.advanceTimersByTimeAsync(3000)
  expect(FakeConnection.made.length).toBe(2)
  expect(of('media_on').length).toBe(told)
})

test('a refusal is shown in the words of the host, asked again much later, or when somebody wants it', async () => {
  const media = connect()
  media.open()
  await settled()
  hears('media_refused', { generation: 1, code: 'role', message: 'This link is not for that.' })
  expect([media.connectionState, media.refusal, newest().closed]).toEqual(['refused', 'This link is not for that.', true])
  await vi.advanceTimersByTimeAsync(29_000)
  expect(FakeConnection.made.length).toBe(1)
  media.open() // a page says it again and again
  expect(FakeConnection.made.length).toBe(1)
  media.hurry()
  expect([media.connectionState, FakeConnection.made.length]).toEqual(['connecting', 2])
  hears('media_refused', { generation: 1, code: 'late', message: 'of the one before' })
  expect(media.connectionState).toBe('connecting')
  await settled()
  hears('media_refused', { generation: 2, code: 'full', message: 'Later.' })
  await vi.advanceTimersByTimeAsync(30_000)
  expect(FakeConnection.made.length).toBe(3)
})

test('a new session begins anew and says everything again; without one nothing is tried', async () => {
  core.session = null
  const media = connect()
  media.setTrack('microphone', track('audio'))
  media.open()
  await vi.advanceTimersByTimeAsync(60_000)
  expect([media.connectionState, FakeConnection.made.length]).toEqual(['connecting', 0])
  core.session = {}
  media.sessionBegan()
  await settled()
  expect(of('media_offer').map(({ generation }) => generation)).toEqual([1])
  said.length = 0
  media.sessionBegan()
  await settled()
  expect(of('media_offer').map(({ generation }) => generation)).toEqual([2])
  expect(of('media_on')).toEqual([{ type: 'media_on', camera: false, microphone: true, screen: false }])
})

test('what could not be said is said as soon as there is a way', async () => {
  const media = connect()
  await opened(media)
  reachable = false
  media.setTrack('microphone', track('audio'))
  await vi.advanceTimersByTimeAsync(3000)
  reachable = true
  await vi.advanceTimersByTimeAsync(1000)
  expect(of('media_on').at(-1)).toMatchObject({ microphone: true })
})

test('who wants it no more says so, and is at rest', async () => {
  const media = connect()
  media.setTrack('camera', track('video'))
  const peer = await opened(media)
  media.close()
  expect([media.connectionState, peer.closed]).toEqual(['off', true])
  expect(of('media_close')).toEqual([{ type: 'media_close', generation: 1 }])
  expect(of('media_on').at(-1)).toMatchObject({ camera: false })
  said.length = 0
  await vi.advanceTimersByTimeAsync(120_000)
  expect([said.length, FakeConnection.made.length]).toEqual([0, 1])
})

test("an operator's voice is their microphone, a program page sends nothing", async () => {
  const operator = connect(['program', 'program_sound', 'talkback'])
  const peer = await opened(operator)
  expect(peer.transceivers.map(({ direction }) => direction)).toEqual(['recvonly', 'recvonly', 'sendonly'])
  operator.setTrack('talkback', track('audio'))
  expect(of('media_on').at(-1)).toMatchObject({ camera: false, microphone: true })
  const voice = new FakeTrack('audio')
  peer.receives(1, voice)
  expect(received).toEqual([['program_sound', voice]])
  expect(await operator.frames('program')).toBe(3)

  const guest = connect(['program', 'program_sound'])
  guest.setTrack('program', track('video')) // no such line sends anything
  expect((await opened(guest)).transceivers.every(({ sender }) => sender.track === null)).toBe(true)
})
