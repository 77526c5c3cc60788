/* Random weather and a dishonest carrier for the browser's session: the promises of control.md §5 hold, whatever comes. */

import { expect, test, vi } from 'vitest'
import { HostClock } from '../../src/protocol/host_clock.ts'
import { PresenterSession } from '../../src/protocol/presenter_session.ts'
import { encodeRecords, type Record } from '../../src/protocol/records.ts'
import { Opener, Sealer } from '../../src/protocol/seal.ts'
import { INTRODUCTION } from '../support/host.ts'
import { Show } from '../support/show.ts'

const asked = process.env['SLIDEWIRE_SEED']
const seeds = asked ? [Number(asked)] : Array.from({ length: 12 }, (_, index) => index)

const play = (seed: number): Show => {
  const show = new Show(seed)
  show.run(40_000)
  show.finish()
  return show
}

test.each(seeds)('a show keeps every promise (seed %i)', { timeout: 30_000 }, (seed) => {
  const show = play(seed)
  expect(show.taps).toBeGreaterThan(5)
  expect([...show.statuses.values()].reduce((sum, count) => sum + count, 0)).toBe(show.taps)
  expect(show.statuses.get('performed')).toBeGreaterThan(show.taps / 10)
})

test('the same seed is the same show', { timeout: 30_000 }, () => {
  expect([...play(4).statuses]).toEqual([...play(4).statuses])
})

test('a clock that believes the network is noticed, and the seed named', { timeout: 30_000 }, () => {
  const learn = vi.spyOn(HostClock.prototype, 'read').mockImplementation(() => 0x7fffffff)
  expect(() => Array.from({ length: 30 }, (_, seed) => play(seed))).toThrow(/too late.*SLIDEWIRE_SEED=\d+/)
  learn.mockRestore()
})

test('a window that lets replays through is noticed by a frame that is opened twice', () => {
  const key = new Uint8Array(32)
  const frame = new Sealer(1, key).seal(encodeRecords([{ type: 'ping', stamp: 1 }]))
  const opener = new Opener(1, key)
  expect(opener.open(frame)).not.toBeNull()
  expect(opener.open(frame)).toBeNull()
})

test('not a byte of what the host says can be altered, and nothing is heard that was reflected or replayed', () => {
  const keys = { send: new Uint8Array(32).fill(1), receive: new Uint8Array(32).fill(2) }
  const session = new PresenterSession(77, keys, 0, 1000, INTRODUCTION)
  const host = new Sealer(77, keys.receive)
  session.pathUp('signaling', 'signaling', 1000)
  session.submit({ verb: 'next', argument: 0 }, 1000)
  const own = []
  for (let effect; (effect = session.nextEffect()); ) if (effect.type === 'transmit') own.push(effect.data)
  const said: Record[] = [
    { type: 'pong', stamp: 1000, clock: 5, version: 1 },
    { type: 'receipt', sequence: 1, status: 'performed', from: 1, to: 2, reason: 'none' },
  ]
  const frame = host.seal(encodeRecords(said))
  for (let index = 0; index < frame.length; index++) {
    for (const mask of [1, 128, 255]) {
      const altered = frame.slice()
      altered[index] = (altered[index] as number) ^ mask
      session.receiveFrame(altered, 'signaling', 1001)
    }
  }
  for (const data of own) session.receiveFrame(data, 'signaling', 1001)
  expect(session.nextEffect()).toBeNull()
  session.receiveFrame(frame, 'signaling', 1002)
  session.receiveFrame(frame, 'signaling', 1003)
  const heard = []
  for (let effect; (effect = session.nextEffect()); ) heard.push(effect.type)
  expect(heard).toEqual(['state_version', 'receipt'])
})
