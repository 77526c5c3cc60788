/* A host in as few lines as keep the promises of control.md §5, and a network between it and a presenter that delays,
 * loses, repeats and reorders by a seed. Written from the protocol, not from the presenter's code. */

import { type Bytes, concat, fromUtf8, serialDifference, utf8 } from '../../src/protocol/bytes.ts'
import type { PathKind } from '../../src/protocol/paths.ts'
import { type Effect, PresenterSession, type Receipt } from '../../src/protocol/presenter_session.ts'
import { decodeRecords, encodeRecords, type Record } from '../../src/protocol/records.ts'
import { Opener, Sealer } from '../../src/protocol/seal.ts'
import { seeded } from './hex.ts'

const KEY_UP = new Uint8Array(32).fill(1)
const KEY_DOWN = new Uint8Array(32).fill(2)
const SESSION = 77
export const NONCE = new Uint8Array(16).fill(3)
/** What a presenter of these tests says of itself: a nonce, and JSON. */
export const INTRODUCTION = concat(new Uint8Array(16).fill(4), utf8('{"kind":"phone"}'))
type Of<T extends Record['type']> = Extract<Record, { type: T }>

export class HostTwin {
  slide = 1
  version = 0
  performed: string[] = []
  laser: Of<'laser'>[] = []
  parts: Of<'part'>[] = []
  /** What the presenter has said of itself. Nothing is obeyed before. */
  introduced: { replaces?: string } | null = null
  settled = new Map<number, Of<'receipt'>>()
  private waiting = new Map<number, Of<'intent'>>()
  private expected = 1
  private readonly opener: Opener
  readonly sealer: Sealer

  constructor(
    readonly clock: (now: number) => number,
    readonly session = SESSION,
    keys = { receive: KEY_UP, send: KEY_DOWN },
  ) {
    this.opener = new Opener(session, keys.receive)
    this.sealer = new Sealer(session, keys.send)
  }

  receive(data: Bytes, now: number): Record[] {
    const plaintext = this.opener.open(data)
    const records = plaintext && decodeRecords(plaintext)
    const answers: Record[] = []
    for (const record of records ?? []) {
      if (record.type === 'introduction') {
        this.introduced ??= JSON.parse(fromUtf8(record.bytes.subarray(16))) as { replaces?: string }
        answers.push({ type: 'met', bytes: NONCE })
      }
      if (!this.introduced) throw new Error('a frame came before any introduction')
      if (record.type === 'ping') {
        answers.push({ type: 'pong', stamp: record.stamp, clock: this.clock(now), version: this.version })
      } else if (record.type === 'intent') {
        const known = this.settled.get(record.sequence)
        answers.push(known ?? { type: 'ack', sequence: record.sequence })
        if (!known) this.waiting.set(record.sequence, record)
      } else if (record.type === 'floor') {
        this.expected = Math.max(this.expected, record.sequence)
      } else if (record.type === 'laser') {
        this.laser.push(record)
      } else if (record.type === 'part') {
        this.parts.push(record)
      }
    }
    for (let next; (next = this.waiting.get(this.expected)); this.expected++) {
      this.waiting.delete(this.expected)
      const receipt = this.perform(next, now)
      this.settled.set(next.sequence, receipt)
      answers.push(receipt)
    }
    return answers
  }

  private perform(intent: Of<'intent'>, now: number): Of<'receipt'> {
    const from = this.slide
    const answer = { type: 'receipt' as const, sequence: intent.sequence, from, to: from }
    if (serialDifference(this.clock(now), intent.deadline) > 0) return { ...answer, status: 'expired', reason: 'late' }
    if (intent.verb === 'next') this.slide++
    if (intent.verb === 'previous') this.slide--
    if (intent.verb === 'goto') this.slide = intent.argument
    this.performed.push(`${intent.verb}`)
    return { ...answer, to: this.slide, status: 'performed', reason: 'none' }
  }
}

interface Weather {
  loss: number
  delay: number
  jitter: number
}

/** Both ends, the paths between them, and the one clock. */
export class World {
  now = 1000
  host: HostTwin
  presenter: PresenterSession
  receipts: Receipt[] = []
  effects: Effect[] = []
  sent: { path: string; at: number; records: Record[] }[] = []
  introductions = 0
  private readonly random: () => number
  private weather = new Map<string, Weather>()
  private inFlight: { at: number; path: string; up: boolean; data: Bytes }[] = []

  /** `kept`: how long the welcome took, whose clock is as old. */
  constructor(seed: number, hostAhead = 4_000_000_000, kept = 0) {
    this.random = seeded(seed)
    this.host = new HostTwin((now) => (Math.round(now) + hostAhead) >>> 0)
    const keys = { send: KEY_UP, receive: KEY_DOWN }
    this.presenter = new PresenterSession(SESSION, keys, this.host.clock(this.now - kept), this.now, INTRODUCTION, this.now - kept)
  }

  pathUp(name: string, kind: PathKind, weather: Partial<Weather> = {}): void {
    this.weather.set(name, { loss: 0, delay: 20, jitter: 0, ...weather })
    this.presenter.pathUp(name, kind, this.now)
    this.drain()
  }

  setWeather(name: string, weather: Partial<Weather>): void {
    this.weather.set(name, { loss: 0, delay: 20, jitter: 0, ...weather })
  }

  /** Do something at the presenter, and carry out what comes of it. */
  act<T>(what: (presenter: PresenterSession, now: number) => T): T {
    const result = what(this.presenter, this.now)
    this.drain()
    return result
  }

  run(milliseconds: number): void {
    const end = this.now + milliseconds
    for (;;) {
      const arrival = Math.min(...this.inFlight.map(({ at }) => at))
      const next = Math.min(arrival, this.presenter.getTimer())
      if (next > end) break
      this.now = Math.max(this.now, next)
      for (const flying of this.inFlight.filter(({ at }) => at <= this.now)) this.arrive(flying)
      if (this.presenter.getTimer() <= this.now) this.presenter.handleTimer(this.now)
      this.drain()
    }
    this.now = end
  }

  fromHost(records: Record[], path: string): void {
    if (records.length > 0) this.fly(path, false, this.host.sealer.seal(encodeRecords(records)))
  }

  private fly(path: string, up: boolean, data: Bytes): void {
    const weather = this.weather.get(path)
    if (!weather || this.random() < weather.loss) return
    const copies = this.random() < 0.05 ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      this.inFlight.push({ at: this.now + weather.delay + this.random() * weather.jitter, path, up, data })
    }
  }

  private arrive(flying: { path: string; up: boolean; data: Bytes }): void {
    this.inFlight = this.inFlight.filter((other) => other !== flying)
    if (flying.up) this.fromHost(this.host.receive(flying.data, this.now), flying.path)
    else this.presenter.receiveFrame(flying.data, flying.path, this.now)
    this.drain()
  }

  private drain(): void {
    for (let effect; (effect = this.presenter.nextEffect()); ) {
      this.effects.push(effect)
      if (effect.type === 'receipt') this.receipts.push(effect.receipt)
      if (effect.type !== 'transmit') continue
      const opened = new Opener(SESSION, KEY_UP).open(effect.data)
      const records = (opened && decodeRecords(opened)) ?? []
      // What every frame carries until it is answered is counted, and left out of what the tests look at.
      const told = records.filter(({ type }) => type !== 'introduction')
      this.introductions += records.length - told.length
      this.sent.push({ path: effect.path, at: this.now, records: told })
      this.fly(effect.path, true, effect.data)
    }
  }
}
