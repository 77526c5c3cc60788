/* The presenter's end of the control session (control.md §5): a tap goes out on every path until it is answered.
 *
 *     submit(intent) -> INTENT on every live path, again until RECEIPT, rarely after ACK
 *     RECEIPT        -> one `receipt` effect
 *     nothing        -> `unknown` 1.5 s after the deadline, or `expired` if no path ever took it
 *
 * Feed receiveFrame, handleTimer, pathUp and pathDown; drain nextEffect after each; call handleTimer again at getTimer.
 * `now` is in milliseconds of one monotonic clock. */

import type { Bytes } from './bytes.ts'
import { HostClock } from './host_clock.ts'
import { isLive, isStream, type Path, type PathKind } from './paths.ts'
import type { Intent, Point, Reason, Status } from './records.ts'
import type { FromPresenter } from './messages.ts'
import { type Arrived, type Transmit, SealedSession } from './sealed_session.ts'

const TIME_TO_LIVE = 2000
const UNKNOWN_AFTER = 1500
const LASER_TIME_TO_LIVE = 500
/** This long after its hello a welcome may be an old one, repeated or kept: the deadlines that follow from its clock may
 * be long past. Intents then wait for the first PONG, which is a round trip. */
const WELCOME_AGES = 1000
const INTENTS_PER_FRAME = 32
/** An unacknowledged intent rides along in a frame that another one caused, if it was last sent this long ago. */
const RIDES_ALONG_AFTER = 10
const SECOND_COPY = 10
/** Or when an answer should have come, if that is sooner; from there to that moment at twice the time each. */
const THIRD_COPY = 100
/** After the round trip an answer should have come. From then on something is lost, and copies follow densely. */
const DOUBT_MARGIN = 15
const DOUBT_WHERE_MUCH_IS_LOST = 20
const COPY_EVERY = 10
const COPIES_FOR = 200
const RARELY = 100
/** Once it is acknowledged, in case the receipt is lost. */
const ASK_EVERY = 250
/** A stream does not lose what it was given, unless its carrier does. */
const STREAM_AGAIN = 500

/** Frames of copies into one stream, which is forwarded by a server that bounds what one presenter says: one each so many
 * milliseconds, and so many at once. Faster taps need none: what follows a tap is the next one. */
const STREAM_COPY_EVERY = 80
const STREAM_COPIES = 60

/** What became of one intent. Every submitted intent gets exactly one. */
export interface Receipt {
  sequence: number
  intent: Intent
  status: Status
  from: number | null
  to: number | null
  reason: Reason
  /** Milliseconds from `submit` to here. */
  ms: number
  /** The path it came by; `null` where none came. */
  path: PathKind | null
}

export type Effect =
  | Transmit
  | Arrived
  | { type: 'receipt'; receipt: Receipt }
  | { type: 'laser_receipt'; status: Status; reason: Reason }
  /** The host's state is at this version: if the newest state held is another, ask with `get_state`. */
  | { type: 'state_version'; version: number }
  /** A path that was live is not any more. What is up goes on being used; its owner should look for another. */
  | { type: 'path_silent'; path: string }

interface Outstanding {
  intent: Intent
  submitted: number
  expires: number
  /** In the host's session clock, as it was known when this was sent first. */
  deadline: number
  /** How long after the first sending an answer should have come. */
  doubtAfter: number
  firstSent: number | null
  lastSent: number
  /** When it is to be sent again. */
  due: number
  acknowledged: boolean
  /** When it last went into which stream. */
  inStream: Map<string, number>
}

/** When it is given up. */
const ends = (waiting: Outstanding): number => waiting.expires + (waiting.firstSent === null ? 0 : UNKNOWN_AFTER)
const nextEvent = (waiting: Outstanding): number => Math.min(waiting.due, ends(waiting))

/** Its own repetition is due, or it may ride along with another intent's. */
function mayGo(waiting: Outstanding, now: number): boolean {
  if (waiting.firstSent === null || waiting.due <= now) return now < ends(waiting)
  return !waiting.acknowledged && now - waiting.lastSent >= RIDES_ALONG_AFTER
}

/** The sending that follows the one so long after the first. */
function nextAfter({ acknowledged, doubtAfter }: Outstanding, after: number): number {
  if (acknowledged) return after + ASK_EVERY
  if (after < SECOND_COPY) return SECOND_COPY
  if (after < doubtAfter) return Math.min(doubtAfter, Math.max(2 * after, THIRD_COPY))
  return after + (after < doubtAfter + COPIES_FOR ? COPY_EVERY : RARELY)
}

/** Repetitions that were due by now are not made up for: without a path there is nothing to do about them. */
function skip(waiting: Outstanding, now: number): void {
  const first = waiting.firstSent
  if (first === null) return
  while (waiting.due <= now) waiting.due = first + nextAfter(waiting, Math.round(waiting.due - first))
}

const isNewTo = (stream: Path, { inStream }: Outstanding): boolean =>
  (inStream.get(stream.name) ?? -Infinity) < stream.upSince

/** It went out. Riding along in a frame that another intent caused uses up no repetition of its own. */
function markSent(waiting: Outstanding, now: number): void {
  waiting.lastSent = now
  if (waiting.firstSent === null) waiting.firstSent = waiting.due = now
  skip(waiting, now)
}

export class PresenterSession {
  /** The host's part in the verification words, once it has answered. */
  hostNonce: Bytes | null = null
  readonly #sealed: SealedSession
  readonly #hostClock: HostClock
  #nextSequence = 1
  readonly #waiting = new Map<number, Outstanding>()
  /** When each stream may have all its copies again. */
  readonly #copies = new Map<string, number>()
  #laserSequence = 0
  readonly #effects: Effect[] = []

  #knowsClock: boolean

  /** `introduction` is what the host is told of us (control.md §2); `asked` is when the hello was sent first. */
  constructor(
    session: number,
    keys: { send: Bytes; receive: Bytes },
    hostClock: number,
    now: number,
    introduction: Bytes,
    asked = now,
  ) {
    this.#knowsClock = now - asked <= WELCOME_AGES
    this.#sealed = new SealedSession(session, keys.send, keys.receive)
    this.#sealed.introduction = introduction
    this.#hostClock = new HostClock(hostClock, now)
  }

  get session(): number {
    return this.#sealed.session
  }

  get outstanding(): number {
    return this.#waiting.size
  }

  // What the user does

  submit(intent: Intent, now: number, timeToLive = TIME_TO_LIVE): number {
    const sequence = this.#nextSequence++
    this.#waiting.set(sequence, {
      intent,
      submitted: now,
      expires: now + timeToLive,
      deadline: 0,
      doubtAfter: 0,
      firstSent: null,
      lastSent: -Infinity,
      due: Infinity,
      acknowledged: false,
      inStream: new Map(),
    })
    this.#sendIntents(now)
    return sequence
  }

  /** Move the laser: the last few positions, oldest first; none to switch it off. */
  point(points: Point[], now: number): void {
    const deadline = this.#deadline(now, LASER_TIME_TO_LIVE)
    this.#sealed.send({ type: 'laser', sequence: ++this.#laserSequence, deadline, points }, this.#sealed.paths.control(now))
  }

  /** False: no path carries messages now, and the message is not kept. */
  sendMessage(message: FromPresenter, now: number): boolean {
    return this.#sealed.sendMessage(message, now)
  }

  /** The session is over (a new handshake replaced it): nothing unanswered is ever replayed. */
  abandon(now: number): void {
    for (const sequence of this.#waiting.keys()) this.#giveUp(sequence, now)
  }

  // What the world does

  pathUp(name: string, kind: PathKind, now: number): void {
    this.#sealed.pathUp(name, kind, now)
    this.#sealed.sendDuePings(now)
    this.#sendIntents(now)
  }

  pathDown(name: string): void {
    this.#sealed.pathDown(name)
  }

  checkPaths(now: number): void {
    this.#sealed.paths.pingNow(now)
    this.#sealed.sendDuePings(now)
  }

  receiveFrame(data: Uint8Array, path: string, now: number): void {
    const by = this.#sealed.paths.get(path)
    const wasDead = by && !isLive(by, now)
    const records = this.#sealed.receive(data, path, now)
    if (wasDead && isLive(by, now)) this.#sendIntents(now) // what it swallowed need not wait for its repetition
    for (const record of records) {
      switch (record.type) {
        case 'pong':
          this.#hostClock.learn(record.clock, record.stamp, now)
          if (!this.#knowsClock) {
            this.#knowsClock = true
            this.#sendIntents(now)
          }
          this.#effects.push({ type: 'state_version', version: record.version })
          break
        case 'met':
          if (this.#sealed.introduction) this.hostNonce = new Uint8Array(record.bytes.subarray(0, 16))
          this.#sealed.introduction = null
          break
        case 'ack': {
          const waiting = this.#waiting.get(record.sequence)
          if (waiting && !waiting.acknowledged) {
            waiting.acknowledged = true
            waiting.due = now + ASK_EVERY
          }
          break
        }
        case 'receipt': {
          const { sequence, status, reason, from, to } = record
          this.#settle(sequence, status, reason, now, from, to, this.#sealed.paths.get(path)?.kind ?? null)
          break
        }
        case 'laser_receipt':
          this.#effects.push({ type: 'laser_receipt', status: record.status, reason: record.reason })
          break
        case 'part': {
          const arrived = this.#sealed.assemble(record)
          if (arrived) this.#effects.push(arrived)
          break
        }
        default: // what only a host is told
      }
    }
    this.#judgePaths(now)
  }

  handleTimer(now: number): void {
    this.#judgePaths(now)
    this.#sealed.sendDuePings(now)
    let resend = false
    for (const [sequence, waiting] of this.#waiting) {
      if (nextEvent(waiting) > now) continue
      if (now >= ends(waiting)) this.#giveUp(sequence, now)
      else resend = true
    }
    if (resend) this.#sendIntents(now)
  }

  /** `Infinity` where nothing is to come. */
  getTimer(): number {
    let next = this.#sealed.paths.nextEvent()
    for (const waiting of this.#waiting.values()) next = Math.min(next, nextEvent(waiting))
    return next
  }

  nextEffect(): Effect | null {
    return this.#effects.shift() ?? this.#sealed.nextFrame()
  }

  // What is known

  /** The path to speak of: proven, and the most direct. */
  bestPath(now: number): Path | undefined {
    return this.#sealed.paths.best(now)
  }

  /** Whether any path answers, or is too young to be judged. */
  isLive(now: number): boolean {
    return this.#sealed.paths.control(now).some((path) => isLive(path, now))
  }

  path(name: string): Path | undefined {
    return this.#sealed.paths.get(name)
  }

  hostClock(now: number): number {
    return this.#hostClock.read(now)
  }

  // Inside

  #judgePaths(now: number): void {
    for (const { name } of this.#sealed.paths.died(now)) this.#effects.push({ type: 'path_silent', path: name })
  }

  #deadline(now: number, timeToLive: number): number {
    return (this.hostClock(now) + Math.round(timeToLive)) >>> 0
  }

  #doubtAfter(now: number): number {
    if (this.#sealed.paths.loses(now)) return DOUBT_WHERE_MUCH_IS_LOST
    const roundTrip = this.#sealed.paths.roundTrip(now)
    return roundTrip < Infinity ? Math.ceil(roundTrip) + DOUBT_MARGIN : THIRD_COPY
  }

  /** Every intent that needs sending, in as few frames as carry them: a lost packet's intents ride in the next. */
  #sendIntents(now: number): void {
    const due = [...this.#waiting].filter(([, waiting]) => mayGo(waiting, now))
    const paths = this.#knowsClock ? this.#sealed.paths.control(now) : []
    const [floor] = this.#waiting.keys()
    if (paths.length === 0) for (const [, waiting] of due) skip(waiting, now)
    if (paths.length === 0 || floor === undefined) return
    const alone = paths.every(isStream)
    const mayEnter = (path: Path, waiting: Outstanding): boolean =>
      // Alone it gets copies, too: a stream learns what it lost from what follows.
      !isStream(path) || alone || isNewTo(path, waiting) || now - (waiting.inStream.get(path.name) as number) >= STREAM_AGAIN
    for (let start = 0; start < due.length; start += INTENTS_PER_FRAME) {
      const told = new Set<Path>()
      const together = due.slice(start, start + INTENTS_PER_FRAME)
      const open = paths.filter((path) =>
        this.#mayFollow(path, together.map(([, waiting]) => waiting).filter((waiting) => mayEnter(path, waiting)), now),
      )
      for (const [sequence, waiting] of together) {
        if (waiting.firstSent === null) {
          waiting.deadline = this.#deadline(now, waiting.expires - now)
          waiting.doubtAfter = this.#doubtAfter(now)
        }
        markSent(waiting, now)
        const { verb, argument } = waiting.intent
        for (const path of open.filter((each) => mayEnter(each, waiting))) {
          if (isStream(path)) waiting.inStream.set(path.name, now)
          if (!told.has(path)) this.#sealed.send({ type: 'floor', sequence: floor }, [path])
          told.add(path)
          this.#sealed.paths.sentIntent(path, now)
          this.#sealed.send({ type: 'intent', sequence, deadline: waiting.deadline, verb, argument }, [path])
        }
      }
      this.#sealed.endFrame()
    }
  }

  /** Whether a frame with these may go by the path: anything new may, and so many copies. */
  #mayFollow(path: Path, entering: Outstanding[], now: number): boolean {
    if (!isStream(path) || !entering.length || entering.some((waiting) => isNewTo(path, waiting))) return true
    const after = Math.max(this.#copies.get(path.name) ?? 0, now) + STREAM_COPY_EVERY
    if (after > now + STREAM_COPIES * STREAM_COPY_EVERY + 1e-6) return false
    this.#copies.set(path.name, after)
    return true
  }

  /** Never sent: it cannot have happened. Sent, and no answer since: it cannot be known here. */
  #giveUp(sequence: number, now: number): void {
    const sent = this.#waiting.get(sequence)?.firstSent !== null
    this.#settle(sequence, sent ? 'unknown' : 'expired', sent ? 'none' : 'late', now)
  }

  #settle(
    sequence: number,
    status: Status,
    reason: Reason,
    now: number,
    from: number | null = null,
    to: number | null = null,
    path: PathKind | null = null,
  ): void {
    const waiting = this.#waiting.get(sequence)
    if (!waiting) return // the answer to another copy
    this.#waiting.delete(sequence)
    const { intent, submitted } = waiting
    this.#effects.push({ type: 'receipt', receipt: { sequence, intent, status, from, to, reason, ms: now - submitted, path } })
  }
}
