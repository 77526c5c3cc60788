/* A speaker's session and hosts in bad weather, in simulated time: paths come and go, hosts die and come back, the two
 * clocks drift, the page sleeps. A ledger checks what control.md §5 promises and throws at the first thing that is not
 * so. The browser's twin of slidewire/testing/world.py; the seed decides everything. */

import type { Bytes } from '../../src/protocol/bytes.ts'
import type { PathKind } from '../../src/protocol/paths.ts'
import { PresenterSession, type Receipt } from '../../src/protocol/presenter_session.ts'
import { encodeRecords, type Intent, VERBS } from '../../src/protocol/records.ts'
import { seeded } from './hex.ts'
import { HostTwin, INTRODUCTION } from './host.ts'

const TIME_TO_LIVE = 2000
/** Milliseconds for rounding at both ends, and what clocks that differ by 400 ppm make of it. */
const ALLOWANCE = 4

interface Entry {
  intent: Intent
  askedAt: number
  done?: number
  receipt?: Receipt
}

interface Weather {
  delay: number
  jitter: number
  loss: number
  burst: number
  duplicate: number
}

interface Path {
  kind: PathKind
  weather: Weather
  losing: boolean
}

export class Show {
  now = 0
  taps = 0
  readonly statuses = new Map<string, number>()
  private readonly random: () => number
  private readonly pick: <T>(choices: T[]) => T
  private readonly queue: { at: number; call: () => void }[] = []
  private readonly paths = new Map<string, Path>()
  private readonly rates: [number, number]
  private entries = new Map<number, Entry>()
  private recorded: Bytes[] = []
  private presenter: PresenterSession
  private host: HostTwin
  private isUp = true
  private sessions = 0
  private lastDone = 0
  private asleepUntil = 0
  private names = 0

  constructor(private readonly seed: number) {
    this.random = seeded(seed)
    this.pick = (choices) => choices[Math.floor(this.random() * choices.length)] as (typeof choices)[number]
    const rate = (): number => 1 + (this.random() * 2 - 1) * 200e-6
    this.rates = [rate(), rate()]
    ;[this.presenter, this.host] = this.meet()
    this.pathUp('signaling')
    this.often(250, () => this.tap())
    this.often(3000, () => this.pathUp(this.pick(['direct', 'relayed', 'signaling'])))
    this.often(8000, () => this.pathDown(this.pick([...this.paths.keys()])))
    this.often(4000, () => this.changeWeather())
    this.often(20_000, () => this.blackOut())
    this.often(30_000, () => this.hostDies())
    this.often(30_000, () => (this.asleepUntil = this.now + this.pick([300, 3000, 60_000])))
    this.often(5000, () => this.replay())
    this.repeatReceipts()
  }

  run(milliseconds: number): void {
    const end = this.now + milliseconds
    for (;;) {
      const next = this.queue.reduce((a, b) => (b.at < a.at ? b : a), { at: Infinity, call: () => undefined })
      const timer = Math.max(this.asleepUntil, this.presenter.getTimer() / this.rates[0])
      if (Math.min(next.at, timer) > end) break
      if (next.at <= timer) {
        this.queue.splice(this.queue.indexOf(next), 1)
        this.now = Math.max(this.now, next.at)
        next.call()
      } else {
        this.now = Math.max(this.now, timer) + 0.01
        this.presenter.handleTimer(this.clock)
      }
      this.drain()
    }
    this.now = end
  }

  /** Nothing may be owed to anybody. */
  finish(): void {
    this.queue.length = 0
    this.run(Math.max(0, this.asleepUntil - this.now) + 2 * TIME_TO_LIVE)
    this.settle()
  }

  // The presenter's clock, and who meets whom

  private get clock(): number {
    return this.now * this.rates[0]
  }

  private meet(): [PresenterSession, HostTwin] {
    const session = ++this.sessions
    const began = this.now
    const key = (direction: number): Bytes => new Uint8Array(32).fill(direction).fill(session, 16)
    const clock = (): number => (Math.round((this.now - began) * this.rates[1]) + 0xffffff00) >>> 0 // wraps soon
    const host = new HostTwin(clock, session, { receive: key(1), send: key(2) })
    this.recorded = []
    this.lastDone = 0
    return [new PresenterSession(session, { send: key(1), receive: key(2) }, clock(), this.clock, INTRODUCTION), host]
  }

  private hostDies(): void {
    this.isUp = false
    this.after(this.random() * 5000, () => {
      const old = this.recorded
      this.presenter.abandon(this.clock)
      this.drain()
      this.settle()
      ;[this.presenter, this.host] = this.meet()
      this.isUp = true
      for (const frame of old) this.arriveAtHost(frame, 'signaling') // a server that kept them
      if (this.host.performed.length > 0) this.break('a restarted host did what the one before was asked')
      for (const [name, { kind }] of this.paths) this.presenter.pathUp(name, kind, this.clock)
    })
  }

  private tap(): void {
    if (this.now < this.asleepUntil) return
    for (let count = this.pick([1, 1, 1, 2, 8]); count > 0; count--) {
      const verb = this.pick([...VERBS])
      const intent = { verb, argument: verb === 'goto' ? 1 + Math.floor(this.random() * 900) : 0 }
      this.entries.set(this.presenter.submit(intent, this.clock), { intent, askedAt: this.now })
      this.taps++
    }
  }

  // The network

  private pathUp(kind: 'direct' | 'relayed' | 'signaling'): void {
    if (this.paths.size >= 3) return
    const name = kind === 'signaling' ? kind : `${kind}-${++this.names}`
    this.paths.set(name, { kind, weather: this.weather(), losing: false })
    this.presenter.pathUp(name, kind, this.clock)
  }

  private pathDown(name: string | undefined): void {
    if (name === undefined) return
    this.paths.delete(name)
    if (this.random() < 0.8) this.presenter.pathDown(name) // else it is noticed by silence
  }

  private weather(): Weather {
    return {
      delay: this.pick([1, 20, 50, 200, 800]),
      jitter: this.pick([0, 10, 100, 500]),
      loss: this.pick([0, 0, 0.05, 0.2, 0.6]),
      burst: this.pick([1, 4, 12]),
      duplicate: this.pick([0, 0, 0.2]),
    }
  }

  private changeWeather(): void {
    for (const path of this.paths.values()) if (this.random() < 0.5) path.weather = this.weather()
  }

  private blackOut(): void {
    for (const path of this.paths.values()) path.weather = { ...path.weather, loss: 1 }
    this.after(this.random() * 4000, () => this.changeWeather())
  }

  private replay(): void {
    if (this.recorded.length > 0) this.arriveAtHost(this.pick(this.recorded), 'signaling')
  }

  private carry(name: string, arrive: () => void): void {
    const path = this.paths.get(name)
    if (!path) return
    const { loss, burst, delay, jitter, duplicate } = path.weather
    // Gilbert: leave the bad state with 1/burst, enter it so that the mean share of loss is `loss`.
    const turn = path.losing ? 1 / burst : loss / (1 - loss) / burst
    if (this.random() < turn) path.losing = !path.losing
    if (loss === 1 || (burst > 1 ? path.losing : this.random() < loss)) return
    const copies = this.random() < duplicate ? 2 : 1
    for (let copy = 0; copy < copies; copy++) this.after(delay + this.random() * jitter, arrive)
  }

  private arriveAtHost(data: Bytes, path: string): void {
    const { host } = this
    if (!this.isUp) return
    const before = host.performed.length
    const answers = host.receive(data, this.now)
    let done = 0
    for (const answer of answers) {
      if (answer.type === 'receipt' && answer.status === 'performed' && this.performed(answer.sequence)) done++
    }
    if (done !== host.performed.length - before) this.break('something was done twice')
    if (answers.length > 0) this.answer(path, host.sealer.seal(encodeRecords(answers)))
  }

  private answer(path: string, frame: Bytes): void {
    const { presenter } = this
    const arrive = (): void => {
      if (this.now < this.asleepUntil) this.queue.push({ at: this.asleepUntil, call: arrive })
      else if (presenter === this.presenter) presenter.receiveFrame(frame, path, this.clock)
    }
    this.carry(path, arrive)
  }

  private repeatReceipts(): void {
    const latest = [...this.host.settled.values()].slice(-32)
    if (latest.length > 0 && this.isUp) {
      for (const name of this.paths.keys()) this.answer(name, this.host.sealer.seal(encodeRecords(latest)))
    }
    this.after(250, () => this.repeatReceipts())
  }

  private drain(): void {
    for (let effect; (effect = this.presenter.nextEffect()); ) {
      if (effect.type === 'receipt') this.receipt(effect.receipt)
      if (effect.type !== 'transmit') continue
      const { path, data } = effect
      this.recorded.push(data)
      const { host } = this
      this.carry(path, () => host === this.host && this.arriveAtHost(data, path))
    }
  }

  // The ledger

  /** False: that was said before. */
  private performed(sequence: number): boolean {
    const entry = this.entries.get(sequence)
    if (!entry) return this.break(`intent ${sequence} was done, and nobody asked for it`)
    if (entry.done !== undefined) return false
    if (sequence <= this.lastDone) this.break(`intent ${sequence} was done after ${this.lastDone}`)
    const late = this.now - entry.askedAt - TIME_TO_LIVE
    if (late > ALLOWANCE) this.break(`intent ${sequence} was done ${late} ms too late`)
    if (entry.receipt && entry.receipt.status !== 'unknown') this.break(`intent ${sequence} was done after its receipt`)
    this.lastDone = sequence
    entry.done = this.now
    return true
  }

  private receipt(receipt: Receipt): void {
    const entry = this.entries.get(receipt.sequence)
    if (!entry || entry.receipt) return this.break(`a receipt too many for intent ${receipt.sequence}`)
    entry.receipt = receipt
    this.statuses.set(receipt.status, (this.statuses.get(receipt.status) ?? 0) + 1)
    const isTrue = receipt.status === 'unknown' || (receipt.status === 'performed') === (entry.done !== undefined)
    if (!isTrue) this.break(`the receipt of ${receipt.sequence} says ${receipt.status}`)
  }

  private settle(): void {
    if (this.presenter.outstanding > 0) this.break('something is outstanding')
    for (const [sequence, entry] of this.entries) if (!entry.receipt) this.break(`intent ${sequence} got no receipt`)
    this.entries = new Map()
  }

  private break(sentence: string): never {
    throw new Error(`${sentence} (seed ${this.seed}; again: SLIDEWIRE_SEED=${this.seed} npx vitest run tests/transport/network_conditions.test.ts)`)
  }

  private after(milliseconds: number, call: () => void): void {
    this.queue.push({ at: this.now + milliseconds, call })
  }

  private often(every: number, call: () => void): void {
    this.after(-Math.log(1 - this.random()) * every, () => {
      call()
      this.often(every, call)
    })
  }
}
