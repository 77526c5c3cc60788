/* A host of version n + 1 and this presenter (control.md §4): what only the later one has costs nothing beside it. Its
 * frames are made byte by byte, as no version can write what it does not know. */

import { expect, test } from 'vitest'
import { type Bytes, concat } from '../../src/protocol/bytes.ts'
import { decodeRecords, encodeRecords } from '../../src/protocol/records.ts'
import { World } from '../support/host.ts'

const LATER = 200
const record = (type: number, ...body: number[]): Bytes => Uint8Array.of(type, body.length >>> 8, body.length & 255, ...body)
const receipt = (sequence: number, status: number, reason: number, ...added: number[]): Bytes =>
  record(4, 0, 0, 0, sequence, status, 0, 4, 0, 5, reason, ...added)

test('a later host: receipts beside what is not known are read', () => {
  const world = new World(1)
  world.pathUp('direct-1', 'direct', { loss: 1 })
  for (let tap = 0; tap < 3; tap++) world.act((presenter, now) => presenter.submit({ verb: 'next', argument: 0 }, now))
  const frame = world.host.sealer.seal(
    concat(
      record(LATER, 1, 2, 3),
      record(13, LATER),
      receipt(1, 1, LATER),
      receipt(2, LATER, 0),
      receipt(3, 2, 8, 1, 2, 3), // fields of a later version
    ),
  )
  world.act((presenter, now) => presenter.receiveFrame(frame, 'direct-1', now))
  expect(world.receipts.map(({ sequence, status, reason }) => [sequence, status, reason])).toEqual([
    [1, 'performed', 'none'],
    [2, 'unknown', 'none'],
    [3, 'refused', 'at_end'],
  ])
})

test('a later presenter: an intent that is not known stands beside one that is, as it was sent', () => {
  const bytes = concat(record(3, 0, 0, 0, 1, 0, 0, 0, 0, LATER, 0, 7), record(3, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0))
  const records = decodeRecords(bytes) ?? []
  expect(records.map((each) => each.type === 'intent' && [each.verb, each.argument])).toEqual([
    [LATER, 7],
    ['next', 0],
  ])
  expect(encodeRecords(records)).toEqual(bytes)
})
