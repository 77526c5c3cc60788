import { expect, test } from 'vitest'
import type { Verb } from '../../src/protocol/records.ts'
import { NONCE, World } from '../support/host.ts'

const tap = (world: World, verb: Verb = 'next', argument = 0): number =>
  world.act((presenter, now) => presenter.submit({ verb, argument }, now))

const types = (world: World, since = 0): string[] =>
  world.sent.slice(since).map(({ path, records }) => `${path}: ${records.map(({ type }) => type).join(' ')}`)

test('a tap lands, and its receipt says what happened', () => {
  const world = new World(1)
  world.pathUp('control-1', 'direct', { delay: 10 })
  world.run(100)
  tap(world)
  world.run(100)
  expect(world.receipts).toEqual([
    {
      sequence: 1,
      intent: { verb: 'next', argument: 0 },
      status: 'performed',
      from: 1,
      to: 2,
      reason: 'none',
      ms: 20,
      path: 'direct',
    },
  ])
  expect(world.presenter.outstanding).toBe(0)
})

test('every frame says who it is until the host has answered that, and none afterwards', () => {
  const world = new World(1)
  world.pathUp('signaling', 'signaling', { loss: 1 })
  tap(world)
  world.run(500)
  expect(world.introductions).toBe(world.sent.length)
  expect([world.introductions > 5, world.presenter.hostNonce]).toEqual([true, null])
  world.pathUp('control-1', 'direct', { delay: 10 })
  world.run(100)
  expect(world.presenter.hostNonce).toEqual(NONCE)
  const said = world.introductions
  tap(world)
  world.run(100)
  expect([world.introductions, world.receipts.length]).toEqual([said, 2])
})

test.each([0, 900, 1100, 60_000])('a tap right after a welcome that took %i ms is performed', (kept) => {
  const world = new World(1, 4_000_000_000, kept)
  world.pathUp('signaling', 'signaling', { delay: 50 })
  tap(world)
  world.run(300)
  expect(world.receipts.map(({ status, ms }) => [status, ms])).toEqual([['performed', kept > 1000 ? 200 : 100]])
})

test('a tap goes out on every path, each frame of its own', () => {
  const world = new World(1)
  world.pathUp('signaling', 'signaling')
  world.pathUp('control-1', 'direct')
  world.pathUp('bulk-1', 'bulk')
  world.run(500)
  const before = world.sent.length
  tap(world)
  expect(types(world, before)).toEqual(['signaling: floor intent', 'control-1: floor intent'])
})

const intentsBy = (world: World, name: string, start: number): number[] =>
  world.sent
    .filter(({ path, at, records }) => path === name && at >= start && records.some(({ type }) => type === 'intent'))
    .map(({ at }) => at - start)
const every = (step: number, from: number, to: number): number[] =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, more) => from + more * step)

test.each([
  [undefined, [0, 10, ...every(10, 100, 300), ...every(100, 400, 3400)]],
  [25, [0, 10, ...every(10, 65, 265), ...every(100, 365, 3465)]],
  [75, [0, 10, 100, ...every(10, 165, 365), ...every(100, 465, 3465)]],
  [300, [0, 10, 100, 200, 400, ...every(10, 615, 815), ...every(100, 915, 3415)]],
])('an unanswered tap is repeated densely from when an answer should have come (one way: %s ms)', (delay, moments) => {
  const world = new World(1)
  world.pathUp('control-1', 'direct', { delay: delay ?? 0, loss: delay ? 0 : 1 })
  world.run(delay ? 2500 : 0)
  world.setWeather('control-1', { loss: 1 })
  const start = world.now
  tap(world)
  world.run(5000)
  expect(intentsBy(world, 'control-1', start)).toEqual(moments)
  expect(world.receipts.map(({ status, ms }) => [status, ms])).toEqual([['unknown', 3500]])
})

test('an answered tap takes two copies, and one in the stream beside them', () => {
  const world = new World(1)
  world.pathUp('signaling', 'signaling', { delay: 25 })
  world.pathUp('control-1', 'direct', { delay: 25 })
  world.run(2500)
  const start = world.now
  tap(world)
  world.run(2000)
  expect([intentsBy(world, 'control-1', start), intentsBy(world, 'signaling', start)]).toEqual([[0, 10], [0]])
})

test('a stream alone gets every copy, and a new one gets what was sent by the old one', () => {
  const world = new World(1)
  world.pathUp('signaling', 'signaling', { loss: 1 })
  world.pathUp('control-1', 'direct', { loss: 1 })
  const start = world.now
  tap(world)
  world.run(50)
  world.pathUp('signaling', 'signaling', { loss: 1 })
  expect(intentsBy(world, 'signaling', start)).toEqual([0, 50])
  world.act((presenter) => presenter.pathDown('control-1'))
  world.run(60)
  expect(intentsBy(world, 'signaling', start)).toEqual([0, 50, 100, 110])
})

test('a key held down says no more to a stream alone than a server takes from one presenter: 50 a second, 200 at once', () => {
  const world = new World(1)
  world.pathUp('signaling', 'signaling', { delay: 75 })
  const start = world.now
  for (let taps = 0; taps < 33 * 60; taps++) {
    tap(world)
    world.run(30)
  }
  const seconds = (world.now - start) / 1000
  world.run(2000)
  expect(world.receipts.map(({ status }) => status)).toEqual(Array.from({ length: 33 * 60 }, () => 'performed'))
  const said = world.sent.filter(({ path, at }) => path === 'signaling' && at >= start && at <= start + 1000 * seconds)
  expect(said.length).toBeGreaterThan(33 * 60)
  expect(said.length).toBeLessThan(50 * seconds + 200)
})

test('in the dark bulk is not filled, whose window the taps need', () => {
  const world = new World(1)
  const names = ['signaling', 'control-1', 'bulk-1'] as const
  world.pathUp('signaling', 'signaling', { delay: 25 })
  world.pathUp('control-1', 'direct', { delay: 25 })
  world.pathUp('bulk-1', 'bulk', { delay: 25 })
  world.run(1500)
  for (const name of names) world.setWeather(name, { loss: 1 })
  const said = (since: number, name: string): number => world.sent.filter(({ path, at }) => path === name && at >= since).length
  const dark = world.now
  world.run(2000)
  expect(said(dark, 'bulk-1')).toBeLessThanOrEqual(2)
  expect(said(dark, 'control-1')).toBeGreaterThanOrEqual(5)
  world.run(2000)
  const later = world.now
  world.act((presenter) => presenter.sendMessage({ type: 'offer', generation: 1, sdp: '' }, later))
  expect(names.map((name) => said(later, name))).toEqual([1, 0, 0])
})

test('copies are dense from the start where much was lost lately', () => {
  const world = new World(3)
  world.pathUp('control-1', 'direct', { delay: 75, loss: 0.3 })
  world.run(30_000)
  world.setWeather('control-1', { loss: 1 })
  const start = world.now
  tap(world)
  world.run(60)
  expect(intentsBy(world, 'control-1', start)).toEqual([0, 10, 20, 30, 40, 50, 60])
})

test('an acknowledged tap is asked about now and then until its receipt is here', () => {
  const world = new World(1)
  world.pathUp('control-1', 'direct', { delay: 25 })
  world.run(2500)
  const start = world.now
  tap(world)
  world.fromHost([{ type: 'ack', sequence: 1 }], 'control-1')
  world.setWeather('control-1', { loss: 1 })
  world.run(1000)
  expect(intentsBy(world, 'control-1', start)).toEqual([0, 10, 275, 525, 775])
})

test('a tap that no path ever took cannot have happened: it is expired, not unknown', () => {
  const world = new World(1)
  tap(world)
  world.run(1999)
  expect(world.receipts).toEqual([])
  world.run(1)
  expect(world.receipts.map(({ status, reason }) => [status, reason])).toEqual([['expired', 'late']])
  world.pathUp('signaling', 'signaling')
  world.run(5000)
  expect(world.host.performed).toEqual([])
})

test('a tap made while no path is up goes out on the first that comes, if in time', () => {
  const world = new World(1)
  tap(world)
  world.run(900)
  world.pathUp('signaling', 'signaling')
  world.run(300)
  expect(world.receipts.map(({ status, ms }) => [status, ms])).toEqual([['performed', 940]])
})

test('a slow network delivers late taps as expired and never performs them', () => {
  const world = new World(1)
  world.pathUp('signaling', 'signaling', { delay: 2500 })
  world.run(10_000)
  tap(world)
  world.run(10_000)
  expect(world.host.performed).toEqual([])
  expect(world.receipts.map(({ status }) => status)).toEqual(['unknown'])
})

test.each([1, 2, 3, 4, 5, 6, 7, 8])('200 taps through loss, repetition and reordering are 200 steps (seed %i)', (seed) => {
  const world = new World(seed)
  world.pathUp('signaling', 'signaling', { loss: 0.1, delay: 40, jitter: 80 })
  world.pathUp('control-1', 'direct', { loss: 0.3, delay: 10, jitter: 60 })
  for (let count = 0; count < 200; count++) {
    tap(world, count < 120 ? 'next' : 'previous')
    world.run(25)
  }
  world.run(6000)
  expect(world.host.performed.length).toBe(200)
  expect(world.host.slide).toBe(1 + 120 - 80)
  expect(world.receipts.map(({ sequence }) => sequence).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: 200 }, (_, index) => index + 1),
  )
  expect(new Set(world.receipts.map(({ status }) => status))).toEqual(new Set(['performed']))
})

test('more intents than a frame carries share as few frames as do, in order, each with the floor', () => {
  const world = new World(1)
  world.pathUp('signaling', 'signaling', { loss: 1 })
  for (let count = 0; count < 40; count++) tap(world)
  const before = world.sent.length
  world.run(15)
  const repeated = world.sent.slice(before).map(({ records }) => records)
  expect(repeated.map((records) => records.map(({ type }) => type))).toEqual([
    ['floor', ...Array<string>(32).fill('intent')],
    ['floor', ...Array<string>(8).fill('intent')],
  ])
  expect(repeated.flat().flatMap((record) => (record.type === 'intent' ? record.sequence : []))).toEqual(
    Array.from({ length: 40 }, (_, index) => index + 1),
  )
})

test('records due together leave in the order the protocol gives', () => {
  const world = new World(1)
  world.pathUp('control-1', 'direct')
  tap(world)
  world.run(60)
  const receipt = { type: 'receipt' as const, sequence: 1, status: 'performed' as const, from: 1, to: 2, reason: 'none' as const }
  world.fromHost([receipt, { type: 'ping', stamp: 5 }], 'control-1')
  const before = world.sent.length
  world.run(30)
  expect(types(world, before)).toEqual(['control-1: pong'])
  expect(world.sent.at(-1)?.records[0]).toEqual({ type: 'pong', stamp: 5, clock: 0, version: 0 })
})

test('a path that stops answering is not counted on after three seconds, and is again once it answers', () => {
  const world = new World(1)
  world.pathUp('signaling', 'signaling')
  world.pathUp('control-1', 'direct')
  world.run(1500)
  expect(world.presenter.bestPath(world.now)?.kind).toBe('direct')
  world.pathUp('control-1', 'direct', { loss: 1 })
  world.run(3000)
  expect(world.presenter.bestPath(world.now)?.kind).toBe('signaling')
  const before = world.sent.length
  tap(world)
  expect(types(world, before)).toEqual(['signaling: floor intent'])
  world.pathUp('control-1', 'direct')
  world.run(100)
  expect(world.presenter.bestPath(world.now)?.kind).toBe('direct')
})

test('a path that swallows an intent is dead after two round trips and 150 ms, until any frame comes by it', () => {
  const world = new World(1)
  world.pathUp('signaling', 'signaling', { delay: 30 })
  world.pathUp('control-1', 'direct', { delay: 25 })
  world.run(1500)
  world.setWeather('control-1', { loss: 1 })
  tap(world)
  const silent = (): unknown[] => world.effects.filter(({ type }) => type === 'path_silent')
  world.run(245)
  expect([silent(), world.presenter.bestPath(world.now)?.kind]).toEqual([[], 'direct'])
  world.run(10)
  expect([silent(), world.presenter.bestPath(world.now)?.kind]).toEqual([[{ type: 'path_silent', path: 'control-1' }], 'signaling'])
  const before = world.sent.length
  tap(world)
  expect(types(world, before)).toEqual(['signaling: floor intent'])
  world.setWeather('control-1', { delay: 25 })
  world.fromHost([{ type: 'ping', stamp: 5 }], 'control-1')
  world.run(30)
  expect(world.presenter.bestPath(world.now)?.kind).toBe('direct')
})

test('messages go by bulk when it is there, else by signaling', () => {
  const world = new World(1)
  const say = (): boolean => world.act((presenter, now) => presenter.sendMessage({ type: 'get_state' }, now))
  expect(say()).toBe(false)
  world.pathUp('control-1', 'direct')
  expect(say()).toBe(false)
  world.pathUp('signaling', 'signaling')
  expect(say()).toBe(true)
  world.pathUp('bulk-1', 'bulk')
  expect(say()).toBe(true)
  expect(types(world).filter((line) => line.endsWith('part'))).toEqual(['signaling: part', 'bulk-1: part'])
  world.run(100)
  expect(world.host.parts.map(({ id, bytes }) => [id, new TextDecoder().decode(bytes)])).toEqual([
    [0, '{"type":"get_state"}'],
    [1, '{"type":"get_state"}'],
  ])
})

test('the host clock is never believed to be ahead of itself, however slow the network', () => {
  const world = new World(5, 0xfffffff0) // wraps right away
  world.pathUp('signaling', 'signaling', { delay: 300, jitter: 500 })
  for (let second = 0; second < 20; second++) {
    world.run(1000)
    const ahead = (world.presenter.hostClock(world.now) - world.host.clock(world.now)) | 0
    expect(ahead).toBeLessThanOrEqual(0)
    expect(ahead).toBeGreaterThan(-800)
  }
})

test('an abandoned session settles everything once: sent is unknown, unsent is expired', () => {
  const world = new World(1)
  tap(world)
  world.act((presenter, now) => presenter.abandon(now))
  world.pathUp('signaling', 'signaling', { loss: 1 })
  tap(world)
  world.act((presenter, now) => presenter.abandon(now))
  world.run(5000)
  expect(world.receipts.map(({ status }) => status)).toEqual(['expired', 'unknown'])
})

test('the laser carries its points and half a second of life', () => {
  const world = new World(1)
  world.pathUp('control-1', 'direct')
  const points = [
    { x: 0, y: 1 },
    { x: 0.5, y: 0.25 },
  ]
  world.act((presenter, now) => presenter.point(points, now))
  world.act((presenter, now) => presenter.point([], now))
  world.run(100)
  expect(world.host.laser.map(({ sequence, points: at }) => [sequence, at.length])).toEqual([
    [1, 2],
    [2, 0],
  ])
  expect(world.host.laser[0]?.points[1]?.x).toBeCloseTo(0.5, 4)
})

test('garbage, replays and frames of another session change nothing', () => {
  const world = new World(9)
  world.pathUp('control-1', 'direct')
  world.run(200)
  const heard = world.effects.length
  for (let length = 0; length < 60; length++) world.presenter.receiveFrame(new Uint8Array(length).fill(3), 'control-1', world.now)
  expect(world.presenter.nextEffect()).toBeNull()
  expect(world.effects.length).toBe(heard)
})

test('a tap whose paths went away costs no time until one comes back', () => {
  const world = new World(1)
  world.pathUp('control-1', 'direct', { loss: 1 })
  tap(world)
  world.act((presenter) => presenter.pathDown('control-1'))
  world.run(500)
  world.act((presenter, now) => presenter.handleTimer(now))
  expect(world.presenter.getTimer()).toBeGreaterThan(world.now)
  world.pathUp('signaling', 'signaling')
  world.run(50)
  expect(world.receipts.map(({ status }) => status)).toEqual(['performed'])
})
