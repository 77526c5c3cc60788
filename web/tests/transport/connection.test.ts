/* The whole client but for WebRTC, against a server and hosts of a few lines: what survives, what is said, and what is
 * never done twice. Timers and the wall clock are the test's; the handshake's cryptography is real. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Bytes, fromBase64Url, fromUtf8, toBase64Url, utf8, view } from '../../src/protocol/bytes.ts'
import { PresenterConnection, type ConnectionEvent } from '../../src/transport/connection.ts'
import { commitment } from '../../src/protocol/handshake.ts'
import { parseLink, derivePsk, prologue } from '../../src/protocol/links.ts'
import { generateKeyPair, respond } from '../../src/protocol/noise.ts'
import { MESSAGE, split } from '../../src/protocol/parts.ts'
import { encodeRecords } from '../../src/protocol/records.ts'
import { frameSession, HELLO, SESSION_UNKNOWN, WELCOME } from '../../src/protocol/seal.ts'
import type { FromHost } from '../../src/protocol/messages.ts'
import type { Loose } from '../support/messages.ts'
import '../../src/transport/peer.ts' // loaded before the clock is ours: the connection waits for it in real time
import { HostTwin, NONCE } from '../support/host.ts'

const link = parseLink('abcdefgh23', 'AAECAwQFBgcICQoLDA0ODw')
if (!link) throw new Error('Not a link.')

/** One host process: it answers hellos, and knows the sessions that it made. */
class HostProcess {
  sessions = new Map<number, HostTwin>()
  meetings: HostTwin[] = []
  hellos = 0
  /** What the hellos said, and what the sessions that came of them are called by. */
  heard: object[] = []
  names: string[] = []
  deaf = false

  constructor(readonly member: string) {}

  async receive(data: Bytes): Promise<Bytes[]> {
    if (this.deaf || !link) return []
    if (data[0] === HELLO) {
      this.hellos++
      const session = (this.member.charCodeAt(1) << 8) + this.hellos
      const commit = await commitment(NONCE)
      const answer = (hello: Bytes): Bytes => {
        this.heard.push(JSON.parse(fromUtf8(hello)) as object)
        return utf8(JSON.stringify({ session, clock: Date.now() >>> 0, v: 1, role: 'click', commit }))
      }
      const pair = await generateKeyPair()
      const { message, keys } = await respond(await derivePsk(link), prologue(link), data.slice(12), answer, pair)
      const twin = new HostTwin(() => Date.now() >>> 0, session, keys)
      this.sessions.set(session, twin)
      this.meetings.push(twin)
      this.names.push(toBase64Url(keys.exported.slice(0, 16)))
      return [Uint8Array.of(WELCOME, ...message)]
    }
    const session = frameSession(data) ?? 0
    const twin = this.sessions.get(session)
    if (!twin) {
      const unknown = new Uint8Array(5)
      unknown[0] = SESSION_UNKNOWN
      view(unknown).setUint32(1, session)
      return [unknown]
    }
    const records = twin.receive(data, Date.now())
    return records.length > 0 ? [twin.sealer.seal(encodeRecords(records))] : []
  }

  get performed(): string[] {
    return [...this.sessions.values()].flatMap((twin) => twin.performed)
  }
}

interface Sent {
  type: string
  to?: string
  data?: string
}

/** The server: it knows one presenter, and passes sealed bytes on. */
class Server {
  static current: Server
  hosts: HostProcess[] = []
  away = new Set<string>()
  up = true
  forgetful = false
  refusal: object | null = null
  entered: string[] = []
  private n = 0

  async receive(socket: FakeSocket, text: string): Promise<void> {
    const message = JSON.parse(text) as Sent
    if (message.type === 'join' || message.type === 'resume') {
      this.entered.push(message.type)
      if (this.refusal) socket.deliver({ type: 'error', message: '', ...this.refusal })
      else if (message.type === 'resume' && this.forgetful) socket.deliver({ type: 'error', code: 'resume_unknown' })
      else this.welcome(socket, message.type === 'join' ? 'joined' : 'resumed')
    } else if (message.type === 'ping') {
      socket.deliver({ type: 'pong' })
    } else if (message.type === 'send') {
      const host = this.hosts.find(({ member }) => member === message.to)
      const data = fromBase64Url(message.data ?? '')
      if (!host || !data || this.away.has(host.member)) return
      for (const answer of await host.receive(data)) this.tell({ type: 'message', from: host.member, data: toBase64Url(answer) })
    }
  }

  /** To the presenter, numbered. */
  tell(message: object): void {
    FakeSocket.open?.deliver({ ...message, n: ++this.n })
  }

  private welcome(socket: FakeSocket, type: string): void {
    FakeSocket.open = socket
    if (type === 'joined') this.n = 0
    const hosts = this.hosts.map(({ member }) => ({ member, name: '', away: this.away.has(member) }))
    socket.deliver({ type, room: 'K7QM42', member: 'mp', resume: 'AAAA', hosts, ice_servers: [], heartbeat: 15 })
  }
}

class FakeSocket extends EventTarget {
  static OPEN = 1
  static open: FakeSocket | null = null
  readyState = 0

  constructor() {
    super()
    setTimeout(() => {
      this.readyState = Server.current.up ? 1 : 3
      this.dispatchEvent(new Event(Server.current.up ? 'open' : 'close'))
    }, 5)
  }

  send(text: string): void {
    void Server.current.receive(this, text)
  }

  deliver(message: object): void {
    setTimeout(() => {
      if (this.readyState === 1) this.dispatchEvent(new MessageEvent('message', { data: JSON.stringify(message) }))
    }, 5)
  }

  close(): void {
    if (this.readyState === 3) return
    this.readyState = 3
    this.dispatchEvent(new Event('close'))
  }
}

let server: Server
let main: HostProcess
let events: ConnectionEvent[]
let connection: PresenterConnection

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: 1_700_000_000_000 })
  vi.stubGlobal('WebSocket', FakeSocket)
  // This server takes no POST: what comes of one is in posts.test.ts, and a real one would take real time.
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('There is no POST here.')))
  vi.stubGlobal('crypto', { subtle: counted, getRandomValues: crypto.getRandomValues.bind(crypto) })
  vi.stubGlobal('document', new EventTarget())
  vi.stubGlobal('navigator', {})
  vi.stubGlobal('addEventListener', () => undefined)
  server = new Server()
  Server.current = server
  main = new HostProcess('m1')
  server.hosts = [main]
  events = []
  connection = new PresenterConnection(link, { kind: 'phone', name: '', seed: 'a' }, 'ws://server/ws', (event) => events.push(event))
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** The real cryptography takes real time; the test's time stands still until it is done. */
const encrypting = { count: 0 }
const counted = new Proxy(crypto.subtle, {
  get: (subtle, name) => async (...values: unknown[]) => {
    encrypting.count++
    try {
      return await (Reflect.get(subtle, name) as (...values: unknown[]) => Promise<unknown>).apply(subtle, values)
    } finally {
      encrypting.count--
    }
  },
})

async function step(): Promise<void> {
  await vi.advanceTimersByTimeAsync(5)
  do await new Promise((resolve) => setImmediate(resolve))
  while (encrypting.count > 0)
}

async function pass(milliseconds: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += 5) await step()
}

async function until(what: () => boolean, atMost = 10_000): Promise<void> {
  for (let passed = 0; !what(); passed += 5) {
    if (passed >= atMost) throw new Error(`It did not happen: ${JSON.stringify(events.slice(-5))}`)
    await step()
  }
}

const next = (): void => connection.submit({ verb: 'next', argument: 0 })
const receipts = (): string[] => events.flatMap((event) => (event.type === 'receipt' ? [event.receipt.status] : []))
const sessions = (): number => events.filter(({ type }) => type === 'session').length
const state = (): string | undefined => events.findLast((event) => event.type === 'connection_state')?.state

async function connected(): Promise<void> {
  await connection.start()
  await until(() => state() === 'signaling')
}

test('it joins, shakes hands, and a tap is answered', async () => {
  await connected()
  next()
  await until(() => receipts().length === 1)
  expect(receipts()).toEqual(['performed'])
  expect([main.performed, main.hellos, sessions()]).toEqual([['next'], 1, 1])
})

test('a tap made before any session waits for it, two seconds at most', async () => {
  const started = connection.start()
  next()
  await started
  await until(() => receipts().length === 1)
  expect(receipts()).toEqual(['performed'])

  main.deaf = true
  connection = new PresenterConnection(link, { kind: 'phone', name: '', seed: 'a' }, 'ws://server/ws', (event) => events.push(event))
  await connection.start()
  next()
  await pass(2600)
  expect(receipts()).toEqual(['performed', 'expired'])
  expect(main.performed.length).toBe(1)
})

test('a lost socket is resumed, and the session with it: a tap made meanwhile arrives once', async () => {
  await connected()
  FakeSocket.open?.close()
  next()
  await until(() => receipts().length === 1)
  expect(server.entered).toEqual(['join', 'resume'])
  expect([receipts(), main.performed, sessions(), main.hellos]).toEqual([['performed'], ['next'], 1, 1])
})

test('a server that forgot everything is joined anew, and the session goes on', async () => {
  await connected()
  server.forgetful = true
  FakeSocket.open?.close()
  await until(() => server.entered.length === 3)
  next()
  await until(() => receipts().length === 1)
  expect([server.entered, receipts(), sessions()]).toEqual([['join', 'resume', 'join'], ['performed'], 1])
})

test('a new session names the one it replaces, so that the host lets no late tap of that one through', async () => {
  await connected()
  main.sessions.clear()
  next()
  await until(() => sessions() === 2)
  expect(main.meetings.map((twin) => twin.introduced?.replaces)).toEqual([undefined, main.names[0]])
  expect(main.heard.map((said) => Object.keys(said).toSorted())).toEqual([['commit', 'v'], ['commit', 'v']])
  expect(main.names[0]).toHaveLength(22)
})

test('a host that restarted does not know the session: a new one, and nothing is replayed in it', async () => {
  await connected()
  main.sessions.clear()
  next()
  await until(() => sessions() === 2)
  await pass(500)
  expect([receipts(), main.performed]).toEqual([['unknown'], []])
  next()
  await until(() => receipts().length === 2)
  expect([receipts(), main.performed]).toEqual([['unknown', 'performed'], ['next']])
})

test('a host that goes away is waited for, unless there is another', async () => {
  await connected()
  server.away.add('m1')
  server.tell({ type: 'host_away', member: 'm1' })
  await until(() => state() === 'host_gone')
  const backup = new HostProcess('m2')
  server.hosts.push(backup)
  server.tell({ type: 'host_joined', member: 'm2', name: '' })
  await until(() => sessions() === 2)
  next()
  await until(() => receipts().length === 1)
  expect([receipts(), main.performed, backup.performed]).toEqual([['performed'], [], ['next']])
})

test('a host that leaves our hello unanswered gives way to the next', async () => {
  main.deaf = true
  const backup = new HostProcess('m2')
  server.hosts.push(backup)
  await connected()
  expect([main.sessions.size, backup.sessions.size]).toEqual([0, 1])
})

test('an answer that is not from one who knows the secret is nothing, and the true one still counts', async () => {
  main.deaf = true
  await connection.start()
  await pass(200)
  const forged = new Uint8Array(120).fill(7)
  forged[0] = WELCOME
  server.tell({ type: 'message', from: 'm1', data: toBase64Url(forged) })
  await pass(200)
  expect(sessions()).toBe(0)
  main.deaf = false
  await until(() => sessions() === 1)
})

test('what cannot be cured is said once, and that is the end', async () => {
  server.refusal = { code: 'link_revoked' }
  await connection.start()
  await pass(30_000)
  expect(events.filter(({ type }) => type === 'error')).toMatchObject([{ code: 'link_revoked', final: true }])
  expect(server.entered).toEqual(['join'])
})

test('a link nobody knows yet is tried until somebody does', async () => {
  server.refusal = { code: 'link_unknown' }
  await connection.start()
  await pass(3000)
  expect(events).toContainEqual({ type: 'error', code: 'link_unknown', message: '', final: false })
  server.refusal = null
  await until(() => state() === 'signaling', 20_000)
})

test('a host may close the session for good', async () => {
  await connected()
  const twin = [...main.sessions.values()][0]
  const bytes = utf8(JSON.stringify({ type: 'closed', code: 'removed', reason: 'Thank you!' }))
  const frame = twin?.sealer.seal(encodeRecords([{ type: 'part', stream: 0, id: 0, index: 0, count: 1, bytes }]))
  server.tell({ type: 'message', from: 'm1', data: toBase64Url(frame ?? new Uint8Array(0)) })
  await until(() => events.some(({ type }) => type === 'error'))
  expect(events).toContainEqual({ type: 'error', code: 'removed', message: 'Thank you!', final: true })
  await pass(5000)
  expect(sessions()).toBe(1)
})

test('messages of a type go to the module that asks for them, and its own to the host', async () => {
  await connected()
  const heard: FromHost[] = []
  connection.onMessage('media_answer', (message) => {
    heard.push(message)
    connection.send({ type: 'media_on', camera: true })
  })
  const twin = [...main.sessions.values()][0]
  const says = async (message: Loose, id: number): Promise<void> => {
    const frame = twin?.sealer.seal(encodeRecords(split(MESSAGE, id, utf8(JSON.stringify(message)))))
    server.tell({ type: 'message', from: 'm1', data: toBase64Url(frame ?? new Uint8Array(0)) })
    await pass(50)
  }
  await says({ type: 'media_answer', generation: 1, sdp: '', later: 1 }, 0)
  await says({ type: 'error', code: 'x', message: '' }, 1)
  await says({ type: 'of a later version' }, 2)
  await says({ type: 'media_answer', generation: '1', sdp: '' }, 3)
  expect(heard).toEqual([{ type: 'media_answer', generation: 1, sdp: '', later: 1 }])
  expect(events.flatMap((event) => (event.type === 'message' ? [event.message.type] : []))).toEqual(['error'])
  expect(twin?.parts.map(({ bytes }) => fromUtf8(bytes))).toContain('{"type":"media_on","camera":true}')
})

/** As much of a browser's peer connection as is needed to offer one. */
class FakePeer extends EventTarget {
  static made: FakePeer[] = []
  connectionState = 'new'
  closed = false
  constructor(public configuration: RTCConfiguration) {
    super()
    FakePeer.made.push(this)
  }
  createDataChannel = (): EventTarget => new EventTarget()
  setConfiguration = (given: RTCConfiguration): void => void (this.configuration = given)
  createOffer = async (): Promise<RTCSessionDescriptionInit> => ({ type: 'offer', sdp: 'v=0' })
  setLocalDescription = async (): Promise<void> => undefined
  close = (): void => void (this.closed = true)
}

const offers = (): unknown[] => {
  const texts = main.meetings.flatMap((twin) => twin.parts.map(({ bytes }) => fromUtf8(bytes)))
  const said = new Set(texts.filter((text) => text.startsWith('{"type":"offer"')))
  return [...said].map((text) => JSON.parse(text) as Loose).map(({ generation, privacy }) => [generation, privacy])
}

test('who hides its address gives up what was connected at once, and every offer from then on asks for relays', async () => {
  FakePeer.made = []
  vi.stubGlobal('RTCPeerConnection', FakePeer)
  await connected()
  const policies = (): unknown[] => FakePeer.made.map(({ configuration, closed }) => [configuration.iceTransportPolicy, closed])
  await until(() => offers().length === 1)
  expect([offers(), policies()]).toEqual([[[1, undefined]], [['all', false]]])

  connection.setRelaysOnly(true)
  expect(FakePeer.made[0]?.closed).toBe(true)
  await until(() => offers().length === 2)
  expect([offers()[1], policies()[1]]).toEqual([[2, 'private'], ['relay', false]])
  expect(events.filter(({ type }) => type === 'privacy_tightened').length).toBe(1)
  next()
  await until(() => receipts().length === 1)
  expect([receipts(), sessions()]).toEqual([['performed'], 1])

  connection.setRelaysOnly(false)
  await until(() => offers().length === 3)
  expect([offers()[2], policies()[2]]).toEqual([[3, undefined], ['all', false]])
  expect(FakePeer.made[1]?.closed).toBe(false) // until the new one carries
})

test('a device that hides its address does so from the first offer', async () => {
  FakePeer.made = []
  vi.stubGlobal('RTCPeerConnection', FakePeer)
  connection.core.relaysOnly = true
  await connected()
  await until(() => FakePeer.made[0]?.configuration.iceTransportPolicy !== undefined)
  expect(FakePeer.made.map(({ configuration }) => configuration.iceTransportPolicy)).toEqual(['relay'])
})

test('the state is asked for when a PONG shows a version that we do not have', async () => {
  await connected()
  const twin = [...main.sessions.values()][0]
  if (!twin) throw new Error('No session.')
  twin.version = 4
  await until(() => twin.parts.length > 0)
  expect(twin.parts.map(({ bytes }) => fromUtf8(bytes))).toContain('{"type":"get_state"}')
})
