/* A whole session in bad weather, step by step, as the Python twin lived it: the same bytes at the same moments. */

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { PathKind } from '../../src/protocol/paths.ts'
import { PresenterSession } from '../../src/protocol/presenter_session.ts'
import type { Verb } from '../../src/protocol/records.ts'
import type { FromPresenter } from '../../src/protocol/messages.ts'
import { fromHex, toHex } from '../support/hex.ts'

interface Step {
  at: number
  do: string
  path: string
  kind: PathKind
  verb: Verb
  argument: number
  ttl: number
  points: [number, number][]
  message: FromPresenter
  frame: string
  /** The twin's effects were taken out after this step: the records that were due by then share frames. */
  drained?: true
  frames: { path: string; frame: string }[]
  receipts: { sequence: number; status: string; reason: string; from: number | null; to: number | null }[]
}

const vector = JSON.parse(readFileSync(new URL('../../../protocol/vectors/session.json', import.meta.url), 'utf8')) as {
  session: number
  send: string
  receive: string
  introduction: string
  host_clock: number
  start: number
  steps: Step[]
}

function perform(session: PresenterSession, step: Step): void {
  switch (step.do) {
    case 'path_up':
      return session.pathUp(step.path, step.kind, step.at)
    case 'path_down':
      return session.pathDown(step.path)
    case 'submit':
      session.submit({ verb: step.verb, argument: step.argument }, step.at, step.ttl)
      return
    case 'point':
      return session.point(
        step.points.map(([x, y]) => ({ x, y })),
        step.at,
      )
    case 'message':
      session.sendMessage(step.message, step.at)
      return
    case 'receive':
      return session.receiveFrame(fromHex(step.frame), step.path, step.at)
    case 'timer':
      return session.handleTimer(step.at)
    default:
      throw new Error(`no such step: ${step.do}`)
  }
}

test('every frame is the same as the Python twin sent', () => {
  const keys = { send: fromHex(vector.send), receive: fromHex(vector.receive) }
  const session = new PresenterSession(vector.session, keys, vector.host_clock, vector.start, fromHex(vector.introduction))
  let frames = 0
  let receipts = 0
  for (const [index, step] of vector.steps.entries()) {
    perform(session, step)
    const sent: Step['frames'] = []
    const heard: Step['receipts'] = []
    for (let effect = step.drained ? session.nextEffect() : null; effect; effect = session.nextEffect()) {
      if (effect.type === 'transmit') sent.push({ path: effect.path, frame: toHex(effect.data) })
      if (effect.type === 'receipt') {
        const { sequence, status, reason, from, to } = effect.receipt
        heard.push({ sequence, status, reason, from, to })
      }
    }
    expect({ index, sent, heard }).toEqual({ index, sent: step.frames, heard: step.receipts })
    frames += sent.length
    receipts += heard.length
  }
  expect(frames).toBeGreaterThan(100)
  expect(receipts).toBe(76)
})
