/* Presenters in bad networks, step by step, as the Python twin lived them: the same effects at the same moments, the same
 * bytes among them. */

import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { type Bytes, fromBase64Url } from '../../src/protocol/bytes.ts'
import { Connection, type Effect } from '../../src/protocol/connection.ts'
import type { Channel } from '../../src/protocol/generations.ts'
import type { Handshake, Welcome } from '../../src/protocol/handshake.ts'
import type { IceCandidate } from '../../src/protocol/messages.ts'
import { PresenterSession } from '../../src/protocol/presenter_session.ts'
import { permitServers, readPrivacy } from '../../src/protocol/privacy.ts'
import type { Verb } from '../../src/protocol/records.ts'
import type { Host } from '../../src/protocol/signaling.ts'
import { fromHex, readVectors } from '../support/hex.ts'

interface Step {
  at: number
  do: string
  hello: string
  is_new_network: boolean
  on: boolean
  hosts: Host[]
  ice_servers: unknown[]
  network: string
  verb: Verb
  argument: number
  ttl: number
  data: string
  member: string
  generation: number
  channel: Channel
  request: number
  welcome: (Welcome & { send: string; receive: string; introduction: string }) | null
  sdp: string
  candidate: IceCandidate | null
  is_relayed: boolean
  /** What the twin wanted before the next step. */
  effects: unknown[][]
  /** There was no more; and when time is to be told next. */
  timer?: number | null
}

const { shows } = readVectors<{ shows: { seed: number; steps: Step[] }[] }>('connection')

const bytes = (text: string): Bytes => fromBase64Url(text) as Bytes
const digest = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex').slice(0, 12)

/** As much of one as the core uses: what it read is in the vectors. */
const handshake = ({ hello }: Step): Handshake =>
  ({
    hello: bytes(hello),
    session: ({ session, keys, clock, introduction }: Welcome & { introduction: string }, now: number, asked: number) =>
      new PresenterSession(session, keys, clock, now, fromHex(introduction), asked),
  }) as unknown as Handshake

function perform(core: Connection, step: Step, requests: Effect[]): void {
  const { at, generation } = step
  const { generations } = core
  const request = requests[step.request]
  switch (step.do) {
    case 'start':
      return core.start(handshake(step), at)
    case 'wake':
      return core.wake(at, step.is_new_network)
    case 'set_relays_only':
      return core.setRelaysOnly(step.on, at)
    case 'joined':
      return core.joined(step.hosts, step.ice_servers, step.network, at)
    case 'hosts_changed':
      return core.hostsChanged(step.hosts, at)
    case 'server_lost':
      return core.serverLost(at)
    case 'submit':
      return void core.session?.submit({ verb: step.verb, argument: step.argument }, at, step.ttl)
    case 'receive_signaling':
      return core.receiveSignaling(bytes(step.data), step.member, at)
    case 'receive_peer':
      return core.receivePeer(bytes(step.data), generation, step.channel, at)
    case 'handshake_created':
      if (request?.type !== 'create_handshake') break
      return core.handshakeCreated(request, handshake(step), at)
    case 'welcome_read': {
      if (request?.type !== 'read_welcome') break
      const { welcome } = step
      const keys = welcome && { send: fromHex(welcome.send), receive: fromHex(welcome.receive) }
      return core.welcomeRead(request, welcome && ({ ...welcome, keys } as unknown as Welcome), at)
    }
    case 'offer_created':
      return generations.offerCreated(generation, step.sdp, at)
    case 'candidate_found':
      return generations.candidateFound(generation, step.candidate, at)
    case 'channel_opened':
      return generations.channelOpened(generation, step.channel, step.is_relayed, at)
    case 'peer_failed':
      return generations.peerFailed(generation, at)
    case 'timer':
      return core.handleTimer(at)
    default:
  }
  throw new Error(`no such step: ${step.do}`)
}

function told(effect: Effect): unknown[] {
  const { type } = effect
  switch (type) {
    case 'send_by_signaling':
      return [type, effect.member, digest(effect.data)]
    case 'send_by_peer':
      return [type, effect.generation, effect.channel, digest(effect.data)]
    case 'check_server':
      return [type, effect.isSilent]
    case 'create_handshake':
      return [type, effect.replaces ?? '']
    case 'read_welcome':
      return [type, digest(effect.data)]
    case 'create_offer': {
      // The browser's peer reads the rules where it is made.
      const { iceServers, ownHost, ice_hosts: hosts, privacy, relaysOnly } = effect.rules
      const { permitted } = permitServers(iceServers, [ownHost, ...(hosts as string[])])
      const urls = permitted.flatMap((server) => server.urls)
      return [type, effect.generation, urls, relaysOnly ? 'private' : readPrivacy(privacy, 'balanced')]
    }
    case 'accept_answer':
      return [type, effect.generation, effect.sdp, effect.isNear]
    case 'add_candidate':
      return [type, effect.generation, effect.candidate]
    case 'close_peer':
      return [type, effect.generation]
    case 'session':
      return [type, effect.role]
    case 'message':
      return effect.message.type === 'state' ? ['state', effect.message.deck?.slide ?? null] : [type, effect.message.type]
    case 'path_changed':
      return [type, effect.kind]
    case 'receipt': {
      const { sequence, status, reason, from, to } = effect.receipt
      return [type, sequence, status, reason, from, to]
    }
    case 'laser_receipt':
      return [type, effect.status, effect.reason]
    case 'picture':
      return [type, effect.id, digest(effect.data)]
    case 'closed':
      return [type, effect.code, effect.reason]
    default:
      return [type]
  }
}

test.each(shows)('seed $seed: every effect is the same as the Python twin wanted', ({ steps }) => {
  const core = new Connection('clicker.example', () => 0.5)
  core.generations.isEnabled = true
  const requests: Effect[] = []
  for (const [index, step] of steps.entries()) {
    perform(core, step, requests)
    const effects: unknown[][] = []
    while (effects.length < step.effects.length || step.timer !== undefined) {
      const effect = core.nextEffect(step.at)
      if (!effect) break
      if (effect.type === 'create_handshake' || effect.type === 'read_welcome') requests.push(effect)
      effects.push(told(effect))
    }
    expect({ index, effects }).toEqual({ index, effects: step.effects })
    if (step.timer === undefined) continue
    const timer = core.getTimer()
    expect([index, timer === Infinity], `step ${index}`).toEqual([index, step.timer === null])
    if (step.timer !== null) expect(timer, `the timer after step ${index}`).toBeCloseTo(step.timer, 2)
  }
})

test('the shows have in them what connections are for', () => {
  const all = shows.flatMap(({ steps }) => steps)
  const done = new Set(all.map((step) => step.do))
  const wanted = new Set(all.flatMap(({ effects }) => effects.map(([type]) => type)))
  for (const what of ['start', 'wake', 'set_relays_only', 'server_lost', 'peer_failed', 'welcome_read', 'hosts_changed']) expect(done).toContain(what)
  for (const what of ['create_handshake', 'create_offer', 'accept_answer', 'close_peer', 'check_server', 'path_lost', 'state', 'closed']) {
    expect(wanted).toContain(what)
  }
})
