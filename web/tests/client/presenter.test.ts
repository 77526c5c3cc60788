import { expect, test } from 'vitest'
import type { Verb } from '../../src/client/records.ts'
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

test('an unanswered tap is repeated at 10, 30, 60, 100, 150 ms and every 100 ms, until its deadline', () => {
  const world = new World(1)
  world.pathUp('signaling', 'signaling', { loss: 1 })
  const start = world.now
  tap(world)
  world.run(5000)
  const at = world.sent.filter(({ records }) => records.some(({ type }) => type === 'intent')).map((sent) => sent.at - start)
  expect(at).toEqual([0, 10, 30, 60, 100, ...Array.from({ length: 19 }, (_, more) => 150 + more * 100)])
  expect(world.receipts.map(({ status, ms }) => [status, ms])).toEqual([['unknown', 3500]])
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
  expect(world.host.unseen.size).toBe(0)
})

test('more intents than a frame carries share as few frames as do, in order, each with the floor', () => {
  const world = new World(1)
  world.pathUp('signaling', 'signaling', { loss: 1 })
  for (let count = 0; count < 40; count++) tap(world)
  const before = world.sent.length
  world.run(20)
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
  expect(types(world, before)).toContain('control-1: pong seen')
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
