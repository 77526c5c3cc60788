/* How a page becomes a member before its WebSocket is open: on a quick socket beside the first, with a hello. */

import { beforeEach, expect, test } from 'vitest'
import { SignalingClient, type SignalingEffect } from '../../src/protocol/signaling.ts'

const [QUICK, REAL] = [1, 2]
const HELLO = Uint8Array.of(1, 2, 3)
let client: SignalingClient
let now: number

const drain = (): SignalingEffect[] => {
  const effects = []
  for (let effect = client.nextEffect(); effect; effect = client.nextEffect()) effects.push(effect)
  return effects
}
const said = (): [number, string][] =>
  drain().flatMap((effect) => {
    return effect.type === 'transmit' ? [[effect.socket, (JSON.parse(effect.text) as { type: string }).type]] : []
  })
const hear = (socket: number, message: object): void => client.receiveText(socket, JSON.stringify(message), now)
const joined = (resume = 'r1') => ({ type: 'joined', room: 'K7QM42', member: 'm1', resume, hosts: [], heartbeat: 15 })

beforeEach(() => {
  now = 1000
  client = new SignalingClient({ link: 'abcdefgh23', token: new Uint8Array(16), name: '' }, now, () => 1)
  client.hello = HELLO
  client.handleTimer(now)
})

test('two are asked for at once, and the quick one joins with a hello to whoever is there', () => {
  expect(drain()).toEqual([
    { type: 'connect', socket: QUICK, quick: true },
    { type: 'connect', socket: REAL },
  ])
  client.socketOpened(QUICK, now)
  const texts = drain().map((effect) => effect.type === 'transmit' && (JSON.parse(effect.text) as object))
  expect(texts).toEqual([
    { type: 'join', v: 1, link: 'abcdefgh23', token: 'AAAAAAAAAAAAAAAAAAAAAA' },
    { type: 'send', data: 'AQID' },
  ])
})

test('a member on the quick one goes over to the real one, once that is open', () => {
  client.socketOpened(QUICK, now)
  hear(QUICK, joined())
  expect(client.isMember).toBe(true)
  client.send('m0', HELLO)
  expect(said().at(-1)).toEqual([QUICK, 'send'])
  client.socketOpened(REAL, now)
  expect(said()).toEqual([[REAL, 'resume']])
  hear(QUICK, { type: 'message', n: 1, from: 'm0', data: 'AAAA' })
  expect(drain().map(({ type }) => type)).toEqual(['message']) // still heard
  hear(REAL, { ...joined('r2'), type: 'resumed' })
  expect(drain()).toMatchObject([{ type: 'disconnect', socket: QUICK }, { type: 'joined', fresh: false }])
  client.send('m0', HELLO)
  expect(said()).toEqual([[REAL, 'send']])
  client.socketClosed(QUICK, now)
  expect([client.isMember, drain()]).toEqual([true, []])
})

test('a real one that opens first waits for what the quick one hears, so that one member joins and not two', () => {
  client.socketOpened(QUICK, now)
  drain()
  client.socketOpened(REAL, now)
  expect(said()).toEqual([])
  hear(QUICK, joined())
  expect(said()).toEqual([[REAL, 'resume']])
})

test.each([false, true])('where the quick one leads nowhere, the real one joins (open by then: %s)', (isOpen) => {
  client.socketOpened(QUICK, now)
  if (isOpen) client.socketOpened(REAL, now)
  drain()
  client.socketClosed(QUICK, now)
  if (!isOpen) client.socketOpened(REAL, now)
  expect(said()).toEqual([
    [REAL, 'join'],
    [REAL, 'send'],
  ])
})

test('a real one that fails leaves us a member until the quick one ends; then another is opened', () => {
  client.socketOpened(QUICK, now)
  hear(QUICK, joined())
  client.socketClosed(REAL, now)
  expect(client.isMember).toBe(true)
  drain()
  now += 5000
  client.socketClosed(QUICK, now)
  expect(client.isMember).toBe(false)
  now = client.getTimer()
  client.handleTimer(now)
  expect(drain()).toContainEqual({ type: 'connect', socket: 3 })
})

test('a link that is refused on the quick one is not tried on the other as well', () => {
  client.socketOpened(QUICK, now)
  drain()
  hear(QUICK, { type: 'error', code: 'link_unknown', message: '' })
  expect(drain()).toMatchObject([
    { type: 'error', code: 'link_unknown', final: false },
    { type: 'disconnect', socket: REAL },
    { type: 'disconnect', socket: QUICK },
  ])
  expect(client.getTimer()).toBeGreaterThanOrEqual(now + 1000)
})

test('a link that is over ends both', () => {
  client.socketOpened(QUICK, now)
  drain()
  hear(QUICK, { type: 'error', code: 'link_revoked', message: '' })
  const ended = drain().filter(({ type }) => type === 'disconnect')
  expect(ended).toEqual([
    { type: 'disconnect', socket: QUICK },
    { type: 'disconnect', socket: REAL },
  ])
})
