/* A presenter's connection to the host: how it is made, doubted, replaced, and what is said again by another path.
 *
 *     hello ⇄ welcome: a session, usable at once by signaling → offer → channels open: the same session, directly as well
 *
 * The session lives longer than any of its paths. The server may go and come back, and generations of peer connections
 * replace each other (generations.ts); each is only a path to the session. A new session is made when the host does not
 * know this one, or when no path has answered for three seconds. In the second case the session is only doubted: if it
 * answers after all, it goes on (control.md §6).
 *
 * Sans-I/O: report what happens and drain `nextEffect` after each report; call `handleTimer` at `getTimer`. What needs
 * randomness or cryptography of its own takes two steps: `create_handshake` … `handshakeCreated`, `read_welcome` …
 * `welcomeRead`, `create_offer` … `offerCreated`. Times are milliseconds of one monotonic clock. */

import type { Bytes } from './bytes.ts'
import { type Channel, Generations, pathName, type PeerEffect, type Rules } from './generations.ts'
import { type Handshake, REPEAT_HELLO, type Role, type Welcome } from './handshake.ts'
import type { FromHost, StateMessage } from './messages.ts'
import { LIVE_FOR, type PathKind } from './paths.ts'
import type { Effect as SessionEffect, PresenterSession } from './presenter_session.ts'
import { frameSession, SESSION_UNKNOWN, WELCOME } from './seal.ts'
import { answersWithin, type Host } from './signaling.ts'
import { apply } from './state.ts'

const SIGNALING = 'signaling'
/** After this everything is looked at when nothing happens: silence has no event. */
const LOOK_EVERY = 500
/** Nothing ran for this long: the device was asleep. */
const SLEPT = 3000
/** Before a state that did not come is asked for again. */
const ASK_AGAIN = 1000
/** How long a host may leave a hello unanswered before another host is asked. */
const HELLO_PATIENCE = 4000
/** Without a PONG through the server for this long its socket is checked: it may have died without a sign. */
const SERVER_SILENT_AFTER = 1500
/** Messages that are kept while a welcome is read. What is more is dropped, as if it had been lost. */
const MOST_UNREAD = 256

interface CreateHandshake {
  type: 'create_handshake'
  /** The name of the session that the new one replaces. */
  replaces: string | undefined
}

interface ReadWelcome {
  type: 'read_welcome'
  handshake: Handshake
  data: Bytes
}

export type Effect =
  | PeerEffect
  | CreateHandshake
  | ReadWelcome
  | Exclude<SessionEffect, { type: 'transmit' | 'state_version' | 'path_silent' }>
  /** Have the server hand this to a member. */
  | { type: 'send_by_signaling'; member: string; data: Bytes }
  | { type: 'send_by_peer'; generation: number; channel: Channel; data: Bytes }
  /** Find out whether the socket to the server is alive; `isSilent`: it took an intent and brought nothing back. */
  | { type: 'check_server'; isSilent: boolean }
  /** What was asked of an earlier session gets no answer any more. */
  | { type: 'session'; role: Role }
  /** The best proven path is now of this kind; null: there is none. */
  | { type: 'path_changed'; kind: PathKind | null }
  /** A path died or came back: what was asked by it and not answered may be asked again. */
  | { type: 'path_lost' }
  /** No peer connection may stay that was made before, for whatever purpose. */
  | { type: 'privacy_tightened' }
  /** The host ended it, for good. */
  | { type: 'closed'; code: string; reason: string }

/** One handshake with one host, until its session is adopted or not needed. */
interface Attempt {
  host: string
  since: number
  /** The session is only silent: nothing says that it is over. */
  isDoubt: boolean
  request?: CreateHandshake
  handshake?: Handshake
  /** When the hello was sent first. */
  asked?: number
  /** It came while the session is in doubt. */
  welcome?: Welcome
  adoptAt: number
}

export class Connection {
  session: PresenterSession | null = null
  /** What the host's answer to the hello of the session said. */
  welcome: Welcome | null = null
  /** The member that frames by signaling go to. */
  #target: string | null = null
  #isOver = false
  readonly generations: Generations
  /** Asked for at this end: see `Rules`. */
  relaysOnly = false
  #iceServers: readonly unknown[] = []
  #network = ''
  #isMember = false
  #hosts: readonly Host[] = []
  #hostTurn = 0
  /** Made before there is a place in the room. */
  #first: { handshake: Handshake; asked: number } | null = null
  #attempt: Attempt | null = null
  /** One each second, also if the server provokes handshakes: it could wait for words that suit it. */
  #nextHello = -Infinity
  #reading: ReadWelcome | null = null
  readonly #unread: [Bytes, string][] = []
  /** The host's, as it was told last: always whole. */
  #state: StateMessage | null = null
  #askedForState = -Infinity
  #wasLive = true
  #reported: PathKind | null = null
  #looked = Infinity
  readonly #effects: Effect[] = []

  /** `ownHost`: the signaling server's, whose STUN and TURN servers may be used. */
  constructor(
    private readonly ownHost: string,
    random: () => number,
  ) {
    this.generations = new Generations(() => this.rules(), random)
  }

  /** What a peer connection of this session has to keep to. */
  rules(): Rules {
    const { privacy, ice_hosts } = this.welcome ?? {}
    return { iceServers: this.#iceServers, ownHost: this.ownHost, network: this.#network, privacy, ice_hosts, relaysOnly: this.relaysOnly }
  }

  // What the user does

  /** Whether the other end may learn where this one is. The room may ask for the same; this loosens nothing of that. */
  setRelaysOnly(isWanted: boolean, now: number): void {
    if (this.relaysOnly === isWanted) return
    this.relaysOnly = isWanted
    if (isWanted) {
      this.#effects.push({ type: 'privacy_tightened' })
      this.generations.restart(now)
      this.#sayAgain(now) // what went by the connections that are gone
    } else {
      this.generations.build(now) // beside the relayed one, which stays until it carries
    }
  }

  // What the device does

  /** `handshake`: the first, made before there is a place in the room. Its hello goes along with `join`. */
  start(handshake: Handshake, now: number): void {
    this.#first = { handshake, asked: now }
    this.#looked = now
  }

  /** The device slept, or its network changed: find out at once what is alive, and replace the rest. */
  wake(now: number, isNewNetwork = false): void {
    this.generations.wake(now)
    if (this.session) this.#checkServer()
    this.session?.checkPaths(now)
    if (isNewNetwork) this.generations.build(now)
  }

  /** It is over: what is outstanding gets no answer any more. */
  close(now: number): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#abandon(now)
    this.generations.close()
  }

  // What the server says

  /** There is a place in the room, for the first time or again. */
  joined(hosts: readonly Host[], iceServers: readonly unknown[], network: string, now: number): void {
    this.#isMember = true
    this.#hosts = hosts
    this.#iceServers = iceServers
    this.#network = network
    if (!hosts.some(({ member }) => member === this.#target)) this.#target = null
    this.#signalingUp(now)
    this.#sayAgain(now)
    this.#ensureSession(now)
  }

  hostsChanged(hosts: readonly Host[], now: number): void {
    this.#isMember = true
    this.#hosts = hosts
    this.#ensureSession(now)
  }

  /** For the next generation: the end of a credential does not end what was allocated with it. */
  iceServersChanged(iceServers: readonly unknown[]): void {
    this.#iceServers = iceServers
  }

  serverLost(now: number): void {
    this.#isMember = false
    this.session?.pathDown(SIGNALING)
    this.#ensureSession(now)
  }

  // Receiving

  /** What the server says came from this member. */
  receiveSignaling(data: Bytes, member: string, now: number): void {
    if (this.#isOver) return
    const { session } = this
    if (this.#reading) {
      // What comes behind a welcome may belong to its session.
      if (this.#unread.length < MOST_UNREAD) this.#unread.push([data, member])
    } else if (member !== this.#target) {
      // Not from our host.
    } else if (data[0] === WELCOME) {
      const handshake = this.#attempt?.handshake
      if (handshake) this.#effects.push((this.#reading = { type: 'read_welcome', handshake, data }))
    } else if (session && frameSession(data) === session.session) {
      if (data[0] === SESSION_UNKNOWN) {
        this.#receiveHint(now)
      } else {
        session.receiveFrame(data, SIGNALING, now)
        this.#endDoubt(now)
      }
    }
  }

  /** What came by a data channel. */
  receivePeer(data: Bytes, generation: number, channel: Channel, now: number): void {
    if (this.#isOver) return
    this.session?.receiveFrame(data, pathName(generation, channel), now)
    this.#endDoubt(now)
  }

  /** The host does not know the session. That is not sealed, so anyone may have written it: a host that answers by a data
   * channel contradicts it. */
  #receiveHint(now: number): void {
    if (this.generations.isFresh(now)) return
    const attempt = this.#attempt
    if (!attempt) this.#shakeHands(now, false)
    else {
      attempt.isDoubt = false
      if (attempt.welcome) this.#adopt(attempt, attempt.welcome, now)
    }
  }

  // The host, and the handshake with it

  /** Choose the host: the first that is present, unless the one we have still answers. */
  #route(now: number): void {
    const present = this.#hosts.filter(({ away }) => !away)
    const current = this.#hosts.find(({ member }) => member === this.#target)
    const isUnanswered = this.#attempt !== null && now - this.#attempt.since > HELLO_PATIENCE && present.length > 1
    const isHere = current && (!current.away || present.length === 0 || this.generations.isFresh(now))
    if (isHere && !isUnanswered) return
    if (isUnanswered) this.#hostTurn++
    const chosen = present[this.#hostTurn % present.length]?.member ?? null
    if (chosen === this.#target) return
    this.#target = chosen
    this.#attempt = null
    this.#signalingUp(now)
  }

  /** The host may be the same under a new name. If it is another, it answers that it does not know the session. */
  #signalingUp(now: number): void {
    if (this.#target && this.#isMember) this.session?.pathUp(SIGNALING, SIGNALING, now)
    else this.session?.pathDown(SIGNALING)
  }

  /** See to it that there is a session that answers, or a handshake for one. */
  #ensureSession(now: number): void {
    if (this.#isOver) return
    this.#endDoubt(now)
    const isAnswering = this.isAnswering(now) // before a path comes up that is too young to be judged
    this.#route(now)
    const attempt = this.#attempt
    if (!this.#isMember || !this.#target) this.#attempt = null
    else if (attempt) this.#sendHello(attempt, now)
    else if (!isAnswering) this.#shakeHands(now, true)
  }

  /** Whether any path has answered within three seconds, or is too young to be judged. */
  isAnswering(now: number): boolean {
    const paths = [this.session?.path(SIGNALING), ...this.generations.controlPaths()]
    return Math.max(...paths.map((path) => path?.lastPong ?? path?.upSince ?? -Infinity)) > now - LIVE_FOR
  }

  #shakeHands(now: number, isDoubt: boolean): void {
    if (!this.#target || !this.#isMember) return
    const attempt: Attempt = (this.#attempt = { host: this.#target, since: now, isDoubt, adoptAt: Infinity, ...this.#first })
    if (this.#first) {
      // Its hello went along with `join`.
      this.#first = null
      this.#nextHello = now + REPEAT_HELLO
      return
    }
    this.#effects.push((attempt.request = { type: 'create_handshake', replaces: this.welcome?.name }))
    if (this.session) this.#checkServer() // the host is silent, or the socket is dead: find out which
  }

  handshakeCreated(request: CreateHandshake, handshake: Handshake, now: number): void {
    const attempt = this.#attempt
    if (attempt?.request !== request) return
    attempt.handshake = handshake
    this.#sendHello(attempt, now)
  }

  #sendHello(attempt: Attempt, now: number): void {
    if (!attempt.handshake || attempt.welcome || now < this.#nextHello) return
    this.#nextHello = now + REPEAT_HELLO
    attempt.asked ??= now
    this.#effects.push({ type: 'send_by_signaling', member: attempt.host, data: attempt.handshake.hello })
  }

  /** `welcome` null: the host of this handshake did not write it. */
  welcomeRead(request: ReadWelcome, welcome: Welcome | null, now: number): void {
    if (request !== this.#reading) return
    this.#reading = null
    const attempt = this.#attempt
    if (welcome && attempt?.handshake === request.handshake) {
      if (this.session && attempt.isDoubt) {
        // A host that slept answers what came first, our hello. What it says to the old session follows.
        this.session.checkPaths(now)
        attempt.welcome = welcome
        attempt.adoptAt = now + answersWithin(this.session.path(SIGNALING)?.roundTrip ?? null)
      } else {
        this.#adopt(attempt, welcome, now)
      }
    }
    while (!this.#reading && this.#unread[0]) this.receiveSignaling(...(this.#unread.shift() as [Bytes, string]), now)
  }

  /** The session goes on if it has answered since it was doubted. If not, it had its chance after the welcome. */
  #endDoubt(now: number): void {
    const attempt = this.#attempt
    if (!attempt?.isDoubt || !this.session) return
    if ((this.session.bestPath(now)?.lastPong ?? -Infinity) >= attempt.since) this.#attempt = null
    else if (attempt.welcome && now >= attempt.adoptAt) this.#adopt(attempt, attempt.welcome, now)
  }

  #adopt({ handshake, asked }: Attempt, welcome: Welcome, now: number): void {
    this.#attempt = null
    this.generations.close()
    this.#abandon(now)
    this.welcome = welcome
    this.session = this.generations.session = (handshake as Handshake).session(welcome, now, asked ?? now)
    this.#state = null
    this.#askedForState = -Infinity
    this.#effects.push({ type: 'session', role: welcome.role })
    this.#signalingUp(now)
    this.generations.build(now)
  }

  /** Nothing unanswered is ever replayed. */
  #abandon(now: number): void {
    this.session?.abandon(now)
    for (let effect; (effect = this.session?.nextEffect()); ) this.#obey(effect, now)
  }

  // Time

  handleTimer(now: number): void {
    const hasSlept = now - this.#looked > SLEPT
    this.#looked = now
    if (hasSlept) this.wake(now)
    if (this.#isOver) return
    this.session?.handleTimer(now)
    if (now - (this.session?.path(SIGNALING)?.lastPong ?? now) > SERVER_SILENT_AFTER) this.#checkServer()
    this.#ensureSession(now)
    this.generations.handleTimer(now)
  }

  /** `Infinity` where nothing is to come. */
  getTimer(): number {
    if (this.#isOver) return Infinity
    const attempt = this.#attempt
    return Math.min(
      this.#looked + LOOK_EVERY,
      this.session?.getTimer() ?? Infinity,
      this.generations.getTimer(),
      attempt?.adoptAt ?? Infinity,
      attempt?.handshake && !attempt.welcome ? this.#nextHello : Infinity,
    )
  }

  // Effects

  /** What is to be done next; call until undefined. */
  nextEffect(now: number): Effect | undefined {
    for (;;) {
      const effect = this.#effects.shift() ?? this.generations.nextEffect()
      if (effect || this.#isOver || !this.session) return effect
      const ofSession = this.session.nextEffect()
      if (ofSession) this.#obey(ofSession, now)
      else if (!this.#report(this.session, now)) return undefined
    }
  }

  #obey(effect: SessionEffect, now: number): void {
    switch (effect.type) {
      case 'transmit': {
        const { path, data } = effect
        const [channel, generation] = path.split('/') as [Channel, string?]
        if (generation) this.#effects.push({ type: 'send_by_peer', generation: Number(generation), channel, data })
        else if (this.#target) this.#effects.push({ type: 'send_by_signaling', member: this.#target, data })
        break
      }
      case 'state_version':
        if (effect.version !== (this.#state?.version ?? 0)) this.#askForState(now) // 0: nothing was told yet
        break
      case 'path_silent':
        this.#pathSilent(effect.path, now)
        break
      case 'message':
        this.#receiveMessage(effect.message, now)
        break
      default:
        this.#effects.push(effect)
    }
  }

  #receiveMessage(message: FromHost, now: number): void {
    if (this.generations.receiveMessage(message, now)) return
    switch (message.type) {
      case 'state': {
        const state = apply(this.#state, message)
        if (state) this.#receiveState(state)
        else this.#askForState(now)
        break
      }
      case 'laser':
        if (this.#state) this.#receiveState({ ...this.#state, laser: message.at })
        break
      case 'closed':
        this.close(now) // another handshake would only be answered the same
        this.#effects.push(message)
        break
      default:
        this.#effects.push({ type: 'message', message })
    }
  }

  #receiveState(message: StateMessage): void {
    this.#state = message
    this.#effects.push({ type: 'message', message })
  }

  #askForState(now: number): void {
    if (!this.session || now - this.#askedForState <= ASK_AGAIN) return
    this.#askedForState = now
    this.session.sendMessage({ type: 'get_state' }, now)
  }

  #checkServer(isSilent = false): void {
    this.#effects.push({ type: 'check_server', isSilent })
  }

  // Paths that die

  /** A live path took an intent and did not answer, or answers no PING: look for another beside it at once. */
  #pathSilent(name: string, now: number): void {
    if (name === SIGNALING) {
      this.#checkServer(true)
    } else {
      // Both channels of a peer live and die together, but only one carries intents and is found out by them.
      const bulk = this.session?.path(name.replace('control', 'bulk'))
      if (bulk?.isSilent) return
      if (bulk) bulk.isSilent = true
    }
    this.generations.ensure(now)
    this.#sayAgain(now)
  }

  /** What may have been lost with a path, by another. */
  #sayAgain(now: number): void {
    if (!this.session?.isLive(now)) return
    this.generations.offerAgain(now)
    this.#askedForState = -Infinity
    this.#askForState(now)
    this.#effects.push({ type: 'path_lost' })
  }

  /** Whether something is new: the best path is of another kind, or there is a live path again. */
  #report(session: PresenterSession, now: number): boolean {
    const wasLive = this.#wasLive
    this.#wasLive = session.isLive(now)
    const isBack = this.#wasLive && !wasLive
    if (isBack) this.#sayAgain(now)
    const kind = session.bestPath(now)?.kind ?? null
    const hasChanged = kind !== this.#reported
    this.#reported = kind
    if (hasChanged) this.#effects.push({ type: 'path_changed', kind })
    return hasChanged || isBack
  }
}
