/* The messages that the Python side writes (web/tests/support/examples.ts is made of its structs): the compiler asks whether
 * they have the types, this whether they are read. */

import { expect, test } from 'vitest'
import { readFromHost } from '../../src/protocol/messages.ts'
import { readRoom } from '../../src/pages/operator/room.ts'
import { readState } from '../../src/ui/state.ts'
import { FROM_HOST, FROM_PRESENTER, STATE } from '../support/examples.ts'

test.each(FROM_HOST)('$type is read', (message) => {
  expect(readFromHost(JSON.parse(JSON.stringify(message)))).toEqual(message)
})

test.each(FROM_HOST)('$type of a later version has more fields', (message) => {
  expect(readFromHost({ ...message, later: {} })).toEqual({ ...message, later: {} })
})

test('the state is read part by part', () => {
  const [whole] = FROM_HOST
  if (whole?.type !== 'state') throw new Error('the first example is a whole state')
  expect({ ...readState(whole), room: readRoom(whole) }).toEqual(STATE)
})

test('what is of no known type, or lacks what its type needs, is no message', () => {
  const none = [null, 7, 'state', [], {}, { type: 7 }, { type: 'timer' }, { type: 'state' }, { type: 'state', version: '1' }, { type: 'answer', generation: 1 }]
  expect(none.map(readFromHost)).toEqual(none.map(() => null))
  for (const { type } of FROM_PRESENTER.filter((each) => each.type === 'command')) expect(readFromHost({ type })).toBeNull()
})
