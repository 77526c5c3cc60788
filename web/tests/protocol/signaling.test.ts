import { beforeEach, describe, expect, test } from 'vitest'
import { SignalingClient, type SignalingEffect } from '../../src/protocol/signaling.ts'
import { readVectors } from '../support/hex.ts'

interface Message {
  type: string
  [field: string]: unknown
}
interface Vectors {
  client: { name: string; message: Message }[]
  server: { name: string; message: Message }[]
  ignored: { text: string }[]
}
const vectors = readVectors<Vectors>('signaling')
const fromServer = (name: string): Message => {
  const found = vectors.server.find((vector) => vector.name === name)
  if (!found) throw new Error(`No vector "${name}".`)
  return found.message
}
const fromClient = (name: string): Message | undefined => vectors.client.find((vector) => vector.name === name)?.message

const TOKEN = new Uint8Array(16).map((_, index) => index)

let client: SignalingClient
let now: number
let jitter: number
/** The newest. */
let socket: number

beforeEach(() => {
  now = 0
  jitter = 1
  client = new SignalingClient({ link: 'abcdefgh23', token: TOKEN, name: '' }, now, () => jitter)
})

function drain(): SignalingEffect[] {
  const effects: SignalingEffect[] = []
  for (let effect; (effect = client.nextEffect()); ) {
    effects.push(effect)
    if (effect.type === 'connect') socket = effect.socket
  }
  return effects
}
const sent = (effects: SignalingEffect[]): unknown[] =>
  effects.flatMap((effect) => (effect.type === 'transmit' ? [JSON.parse(effect.text)] : []))
const types = (effects: SignalingEffect[]): string[] => effects.map(({ type }) => type)
const receive = (message: Message, on = socket): SignalingEffect[] => {
  client.receiveText(on, JSON.stringify(message), now)
  return drain()
}
const wait = (milliseconds: number): SignalingEffect[] => {
  now += milliseconds
  client.handleTimer(now)
  return drain()
}

/** Until the first message is sent. */
function entering(): void {
  wait(0)
  client.socketOpened(socket, now)
  drain()
}

/** Until we are a member. */
function enter(): void {
  expect(types(wait(0))).toEqual(['connect'])
  client.socketOpened(socket, now)
  drain()
  receive(fromServer('joined'))
}

test('it connects, joins, and says who the hosts are', () => {
  expect(types(wait(0))).toEqual(['connect'])
  client.socketOpened(socket, now)
  expect(sent(drain())).toEqual([fromClient('join')])
  const joined = fromServer('joined')
  expect(receive(joined)).toEqual([{ type: 'joined', fresh: true, iceServers: joined['ice_servers'] }])
  expect(client.hosts).toEqual(joined['hosts'])
  expect(client.isMember).toBe(true)
})

test('fresh ICE servers come before the credentials of the old ones end', () => {
  enter()
  const fresh = fromServer('fresh ICE servers')
  expect(receive(fresh)).toEqual([{ type: 'ice_servers', iceServers: fresh['ice_servers'] }])
})

test("what the server's operator says is passed on once", () => {
  enter()
  const notice = fromServer('notice')
  expect(receive(notice)).toEqual([{ type: 'notice', text: notice['text'] }])
  expect(receive(notice)).toEqual([])
})

test('what it writes is what the vectors say', () => {
  enter()
  client.send('m24d82fabaf', new TextEncoder().encode('hello'))
  client.send('m24d82fabaf', new Uint8Array(0))
  const { ref: _, ...nothing } = fromClient('send nothing') ?? { type: '' }
  expect(sent(drain())).toEqual([fromClient('send'), nothing])
  receive({ ...fromServer('message'), n: 3 })
  expect(sent(wait(15_000))).toEqual([fromClient('ping')])
  client.leave()
  expect(sent(drain())).toEqual([fromClient('leave')])
})

test('a name is told, if there is one', () => {
  client = new SignalingClient({ link: 'abcdefgh23', token: TOKEN, name: 'Zoë 🎤' }, 0, () => 0)
  wait(0)
  client.socketOpened(socket, now)
  const { ref: _, ...join } = fromClient('join with a name beyond ASCII') ?? { type: '' }
  expect(sent(drain())).toEqual([join])
})

test('a lost socket is resumed, and what was kept is delivered once', () => {
  enter()
  expect(receive({ type: 'message', n: 12, from: 'h', data: 'aGVsbG8' })).toMatchObject([{ type: 'message', from: 'h' }])
  client.socketClosed(socket, now)
  expect(types(drain())).toEqual(['lost', 'disconnect'])
  expect(wait(249)).toEqual([])
  expect(types(wait(1))).toEqual(['connect'])
  client.socketOpened(socket, now)
  expect(sent(drain())).toEqual([fromClient('resume')])
  expect(receive(fromServer('a presenter resumed'))).toMatchObject([{ type: 'joined', fresh: false }])
  expect(receive({ type: 'message', n: 12, from: 'h', data: 'aGVsbG8' })).toEqual([])
  expect(types(receive({ type: 'message', n: 13, from: 'h', data: 'aGVsbG8' }))).toEqual(['message'])
})

test('a resume that is not known becomes a join on the same socket, and numbers start anew', () => {
  enter()
  receive({ type: 'message', n: 40, from: 'h', data: '' })
  client.socketClosed(socket, now)
  drain()
  wait(250)
  client.socketOpened(socket, now)
  drain()
  expect(sent(receive({ type: 'error', code: 'resume_unknown', message: '' }))).toEqual([fromClient('join')])
  expect(receive(fromServer('joined'))).toMatchObject([{ type: 'joined', fresh: true }])
  expect(types(receive({ type: 'message', n: 1, from: 'h', data: '' }))).toEqual(['message'])
})

test('waits double up to 15 s, with full jitter, and start over after success', () => {
  const waits: number[] = []
  for (let round = 0; round < 8; round++) {
    wait(client.getTimer() - now)
    const from = now
    client.socketClosed(socket, now)
    waits.push(client.getTimer() - from)
  }
  expect(waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000])
  jitter = 0.1
  wait(15_000)
  client.socketClosed(socket, now)
  expect(client.getTimer() - now).toBeCloseTo(1500)
  wait(1500)
  client.socketOpened(socket, now)
  receive(fromServer('joined'))
  client.socketClosed(socket, now)
  expect(client.getTimer() - now).toBeCloseTo(25)
})

test('a silent socket is pinged every heartbeat and given up after three', () => {
  enter()
  expect(sent(wait(15_000))).toEqual([{ type: 'ping', last: 0 }])
  expect(sent(wait(15_000))).toEqual([{ type: 'ping', last: 0 }])
  expect(types(wait(15_000))).toEqual(['lost', 'disconnect'])
})

test('a socket that never opens, or never answers, is given up', () => {
  wait(0)
  expect(types(wait(6000))).toEqual(['disconnect'])
  wait(250)
  client.socketOpened(socket, now)
  drain()
  expect(types(wait(6000))).toEqual(['disconnect'])
})

/** The first socket is asked whether it lives, and a second is opened because it does not say. */
function doubt(): void {
  enter()
  client.probe(now, 50)
  expect(sent(drain())).toEqual([{ type: 'ping', last: 0 }])
  expect(wait(249)).toEqual([])
  expect(types(wait(1))).toEqual(['connect'])
  expect([client.isMember, socket]).toEqual([true, 2])
}

describe('a socket in doubt', () => {
  test('is asked, and if it answers that is all', () => {
    enter()
    client.probe(now, 50)
    drain()
    receive({ type: 'pong' })
    expect(wait(10_000)).toEqual([])
  })

  test('may be told to hurry', () => {
    enter()
    client.probe(now, 50, 0)
    expect(types(drain())).toEqual(['transmit', 'connect'])
  })

  test('gives way to another that was opened beside it, as the same member', () => {
    doubt()
    client.send('h', new Uint8Array(0))
    expect(drain()).toMatchObject([{ type: 'transmit', socket: 1 }])
    client.socketOpened(socket, now)
    expect(drain()).toMatchObject([{ type: 'transmit', socket: 2 }])
    receive({ type: 'message', n: 12, from: 'h', data: '' }, 1)
    expect(receive({ type: 'error', code: 'replaced', message: '' }, 1).map(({ type }) => type)).toEqual(['lost', 'disconnect'])
    expect(receive(fromServer('a presenter resumed'))).toMatchObject([{ type: 'joined', fresh: false }])
    client.socketClosed(1, now)
    client.send('h', new Uint8Array(0))
    expect(drain()).toMatchObject([{ type: 'transmit', socket: 2 }])
    expect([wait(5000), client.isMember]).toEqual([[], true])
  })

  test('is let go of only when the other is inside', () => {
    doubt()
    client.socketOpened(socket, now)
    drain()
    expect(receive(fromServer('a presenter resumed'))).toMatchObject([{ type: 'disconnect', socket: 1 }, { type: 'joined' }])
    expect(receive({ type: 'pong' }, 1)).toEqual([])
  })

  test('stays if it answers before the other has opened', () => {
    doubt()
    receive({ type: 'pong' }, 1)
    client.socketOpened(socket, now)
    expect(drain()).toEqual([{ type: 'disconnect', socket: 2 }])
    expect([wait(10_000), client.isMember]).toEqual([[], true])
  })

  test('is not given up because another does not open; that is tried again, more and more slowly', () => {
    doubt()
    expect(drain()).toEqual([])
    expect(wait(1300)).toEqual([{ type: 'disconnect', socket: 2 }])
    expect(types(wait(250))).toEqual(['connect'])
    client.socketClosed(socket, now)
    expect(drain()).toEqual([{ type: 'disconnect', socket: 3 }])
    expect(wait(499)).toEqual([])
    expect(types(wait(1))).toEqual(['connect'])
    expect(client.isMember).toBe(true)
  })

  test('that closes by itself is lost, and the other goes on', () => {
    doubt()
    client.socketClosed(1, now)
    expect(types(drain())).toEqual(['lost', 'disconnect'])
    client.socketOpened(socket, now)
    expect(sent(drain())).toMatchObject([{ type: 'resume' }])
  })

  test('was replaced by one that never heard so: we come back by the newest token', () => {
    enter()
    expect(types(receive({ type: 'error', code: 'replaced', message: '' }))).toEqual(['lost', 'disconnect'])
    expect(types(wait(250))).toEqual(['connect'])
  })
})

test('a probe does not wait out a back-off', () => {
  wait(0)
  for (let round = 0; round < 6; round++) {
    client.socketClosed(socket, now)
    wait(client.getTimer() - now)
  }
  client.socketClosed(socket, now)
  drain()
  client.probe(now, null)
  expect(types(drain())).toEqual(['connect'])
})

const away = (): unknown[] => client.hosts.map((host) => [host.member, host.away])

test('hosts come, go away, come back and leave', () => {
  enter()
  receive({ type: 'host_joined', n: 1, member: 'mh2', name: 'main' })
  expect(away()).toEqual([['mhost000001', false], ['mh2', false]])
  receive({ type: 'host_away', n: 2, member: 'mhost000001' })
  expect(away()).toEqual([['mhost000001', true], ['mh2', false]])
  receive({ type: 'host_back', n: 3, member: 'mhost000001' })
  receive({ type: 'host_left', n: 4, member: 'mh2' })
  expect(away()).toEqual([['mhost000001', false]])
})

describe('errors', () => {
  test.each(['link_wrong', 'link_expired', 'link_revoked', 'room_ended', 'removed', 'version_unsupported'])(
    '%s is final',
    (code) => {
      entering()
      const effects = receive({ type: 'error', code, message: 'Because.' })
      expect(effects).toEqual([{ type: 'error', code, message: 'Because.', final: true }, { type: 'disconnect', socket }])
      expect(client.getTimer()).toBe(Infinity)
      client.socketClosed(socket, now)
      expect(wait(60_000)).toEqual([])
    },
  )

  test.each(['link_unknown', 'room_full', 'rate_limited', 'something_new'])('%s is tried again', (code) => {
    entering()
    expect(types(receive({ type: 'error', code, message: '' }))).toEqual(['error', 'disconnect'])
    expect(types(wait(1250))).toEqual(['connect'])
  })

  test('a link nobody knows is not asked for more than the server allows: twenty times, and ten a minute', () => {
    jitter = 0.5
    entering()
    for (let joins = 0; joins < 40; joins++) {
      receive({ type: 'error', code: 'link_unknown', message: '' })
      wait(client.getTimer() - now)
      client.socketOpened(socket, now)
      drain()
    }
    expect(now).toBeGreaterThan(2 * 60_000)
  })

  test('a server that restarts says when to come back', () => {
    enter()
    expect(types(receive({ type: 'error', code: 'server_closing', message: '', retry_after: 2 }))).toEqual(['lost', 'disconnect'])
    expect(client.getTimer() - now).toBe(2250)
  })

  test('inside the room an error is about one message, and nobody is told', () => {
    enter()
    expect(receive(fromServer('error'))).toEqual([])
    expect(receive(fromServer('error, wait'))).toEqual([])
    expect(client.isMember).toBe(true)
  })

  test.each(['room ended', 'link revoked, the news'])('%s is the end', (name) => {
    enter()
    expect(receive(fromServer(name))).toMatchObject([{ type: 'error', final: true }, { type: 'disconnect' }])
  })
})

test('what a client does nothing about', () => {
  enter()
  expect(vectors.ignored.length).toBeGreaterThan(0)
  for (const ignored of vectors.ignored) {
    client.receiveText(socket, ignored.text, now)
    expect(drain()).toEqual([])
  }
  for (const text of ['', '{', 'null', '[]', '3', '{"type":5}', '{"type":"message","n":9,"data":"*"}']) client.receiveText(socket, text, now)
  expect(drain()).toEqual([])
  expect(client.isMember).toBe(true)
})
