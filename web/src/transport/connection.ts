/* From a link to a session that stays up: the one file that owns sockets and timers. It composes the parts that decide
 * (signaling, handshake, session) and the one that keeps up the direct connection, and gives them what they ask for.
 *
 *     socket → join, hello → welcome: a session stands, usable at once over the server
 *            → offer → channels open: the same session, now directly as well
 *
 * A socket that comes back and a new direct connection are only paths to it. A path that swallows a tap is replaced at
 * once, beside it: a second socket, the next generation of peers. What was said by it is said again by another. A new
 * session is made when the host does not know this one, or when no path has answered for three seconds. */

import type { Bytes } from '../protocol/bytes.ts'
import { monotonicClock } from '../protocol/clock.ts'
import { Handshake, type Identity, type Meeting, REPEAT_HELLO, type Role } from '../protocol/handshake.ts'
import { joinToken, type Link } from '../protocol/links.ts'
import { LIVE_FOR } from '../protocol/paths.ts'
import type { Rules } from './peer.ts'
import { Peers } from './peers.ts'
import { Posts } from './http_socket.ts'
import type { PresenterSession, Receipt } from '../protocol/presenter_session.ts'
import type { Intent, Point, Reason, Status } from '../protocol/records.ts'
import { frameSession, SESSION_UNKNOWN, WELCOME } from '../protocol/seal.ts'
import { answersWithin, SignalingClient } from '../protocol/signaling.ts'
import type { FromHost, FromPresenter, StateMessage } from '../protocol/messages.ts'

export type Standing = 'connecting' | 'direct' | 'relayed' | 'signaling' | 'reconnecting' | 'host_gone'

export type ConnectionEvent =
  | { type: 'standing'; standing: Standing; roundTrip: number | null }
  /** A session stands; what was asked of an earlier one is not coming any more. */
  | { type: 'session'; role: Role }
  | { type: 'receipt'; receipt: Receipt }
  | { type: 'laser_receipt'; status: Status; reason: Reason }
  | { type: 'message'; message: FromHost }
  | { type: 'picture'; id: number; data: Uint8Array }
  /** A path died: what was asked by it and not answered may be asked again. */
  | { type: 'path_silent' }
  /** We cannot get in. Unless `final` it is tried again, and `joined` says that it worked. */
  | { type: 'trouble'; code: string; message: string; final: boolean }
  | { type: 'joined' }
  /** The server's operator says something to everybody in the room. */
  | { type: 'notice'; text: string }
  /** From now on through relays only: no peer connection may stay that was made before. */
  | { type: 'relays_only' }

/** How often the state of things is looked at when nothing happens. */
const HOUSEKEEPING = 500
const TAP_WAITS = 2000
/** How long a host may leave our hello unanswered before another one is asked. */
const HELLO_PATIENCE = 4000
/** Nothing ran here for this long: the computer slept, or the page did. */
const SLEPT = 3000
const SIGNALING = 'signaling'

export class Connection {
  readonly now = monotonicClock()
  /** Of the session that stands: what verification words are made of, and what the next session calls it by. */
  meeting: Meeting | undefined
  #relaysOnly = false
  #signaling: SignalingClient | null = null
  readonly #sockets = new Map<number, WebSocket | Posts>()
  /** The first attempt, whose hello is said along with `join`. */
  #first: { attempt: Handshake; since: number } | null = null
  #session: PresenterSession | null = null
  #handshake: { host: string; attempt: Handshake | null; since: number; isDoubt?: boolean } | null = null
  /** One each second, also if somebody has us shake hands again and again until the words suit them. */
  #nextHello = -Infinity
  #inbox: Promise<void> = Promise.resolve()
  /** The host's member id, to whom sealed frames go by way of the server. */
  #target: string | null = null
  #hostTurn = 0
  #iceServers: RTCIceServer[] = []
  readonly #peers = new Peers({
    now: this.now,
    session: () => (this.#over ? null : this.#session),
    rules: () => this.rules(),
    send: (message) => void this.send(message),
    signalingRoundTrip: () => this.#roundTrip(SIGNALING),
    receive: (data, path) => void this.#receive(data, path, null),
    changed: () => this.#pump(),
  })
  #ticked = Infinity
  /** The host's state, as it was told last. */
  #state: StateMessage | null = null
  #askedForState = -Infinity
  #nextPicture = 0
  /** Taps made before any session stood. */
  #early: { intent: Intent; at: number }[] = []
  #fatal: { code: string; message: string } | null = null
  #over = false
  #lived = true
  #reported = ''
  #wasConnected = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #pumping = false
  readonly #handlers = new Map<string, (message: FromHost) => void>()

  constructor(
    private readonly link: Link,
    private readonly identity: Identity,
    private readonly url: string,
    private readonly emit: (event: ConnectionEvent) => void,
  ) {}

  async start(): Promise<void> {
    const attempt = await Handshake.start(this.link, this.identity).catch(() => null)
    if (!attempt) {
      this.#end('browser_old', '')
      return
    }
    const token = await joinToken(this.link)
    const entry = { link: this.link.id, token, name: this.identity.name }
    this.#signaling = new SignalingClient(entry, this.now(), Math.random)
    this.#signaling.hello = attempt.hello
    this.#first = { attempt, since: this.now() }
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.wake()
    })
    globalThis.addEventListener('pageshow', () => this.wake())
    globalThis.addEventListener('pagehide', ({ persisted }) => {
      if (!persisted) this.#leave() // closed or loaded anew; a page that is only put aside comes back as the same member
    })
    globalThis.addEventListener('online', () => this.#networkChanged())
    const network = (navigator as { connection?: EventTarget }).connection
    network?.addEventListener('change', () => this.#networkChanged())
    this.#tick()
    void this.#peers.load()
  }

  // What the page does

  submit(intent: Intent): void {
    const now = this.now()
    if (this.#session) this.#session.submit(intent, now)
    else this.#early.push({ intent, at: now })
    this.#pump()
  }

  point(points: Point[]): void {
    this.#session?.point(points, this.now())
    this.#pump()
  }

  /** False: there is no way to send it now, and it is not kept. */
  send(message: FromPresenter): boolean {
    const sent = this.#session?.sendMessage(message, this.now()) ?? false
    this.#pump()
    return sent
  }

  /** Messages of this type go to `handler` from now on, and are no events of the page. */
  onMessage<T extends FromHost['type']>(type: T, handler: (message: Extract<FromHost, { type: T }>) => void): void {
    this.#handlers.set(type, handler as (message: FromHost) => void)
  }

  /** What a peer connection of the session that stands has to keep to. */
  rules(): Rules {
    const ownHost = new URL(this.url).hostname
    const network = this.#signaling?.network ?? ''
    return { ...this.meeting, iceServers: this.#iceServers, ownHost, network, relaysOnly: this.#relaysOnly }
  }

  get relaysOnly(): boolean {
    return this.#relaysOnly
  }

  /** Whether the other end may learn where this one is. The room may ask for the same; this loosens nothing of that. */
  set relaysOnly(isWanted: boolean) {
    if (this.#relaysOnly === isWanted) return
    this.#relaysOnly = isWanted
    if (!this.#signaling) return // nothing was made yet
    const now = this.now()
    if (isWanted) {
      this.#peers.anew(now)
      this.emit({ type: 'relays_only' })
      this.#sayAgain(now) // what went by the connections that are gone
    } else {
      this.#peers.build(now) // beside the relayed one, which stays until it carries
    }
    this.#pump()
  }

  /** How much came that may not be used: see peer.ts. */
  get refused(): Peers['refused'] {
    return this.#peers.refused
  }

  /** Asks for a slide's picture of at most so many bytes; the id that the answer will name, or `null` if it could not be
   * asked. */
  requestPicture(slide: number, width: number, most: number): number | null {
    const id = this.#nextPicture
    if (!this.send({ type: 'picture', id, slide, width, most })) return null
    this.#nextPicture = (id + 1) & 0xffff
    return id
  }

  /** The host's session clock now, in milliseconds modulo 2^32. */
  hostClock(): number | null {
    return this.#session?.hostClock(this.now()) ?? null
  }

  /** The page is back in front of somebody: find out at once what is still alive, and replace the rest. */
  wake(): void {
    const woken = this.now()
    this.#peers.wake(woken)
    this.#signaling?.probe(woken, this.#roundTrip(SIGNALING))
    this.#session?.checkPaths(woken)
    this.#pump()
  }

  #leave(): void {
    this.#signaling?.leave()
    while (this.#drainSignaling());
  }

  #networkChanged(): void {
    this.wake()
    this.#peers.build(this.now())
    this.#pump()
  }

  // The loop: time passes, effects are carried out

  #tick(): void {
    const now = this.now()
    const slept = now - this.#ticked > SLEPT
    this.#ticked = now
    if (slept) this.wake()
    this.#signaling?.handleTimer(now)
    this.#session?.handleTimer(now)
    this.#expireEarly(now)
    this.#ensureSession(now)
    this.#peers.ensure(now)
    this.#pump()
  }

  #pump(): void {
    if (this.#pumping) return // whoever drains now also drains what was just added
    this.#pumping = true
    try {
      while (this.#drainSession() || this.#drainSignaling());
    } finally {
      this.#pumping = false
    }
    const now = this.now()
    const lived = this.#lived
    this.#lived = this.#session?.isLive(now) === true
    if (this.#lived && !lived) this.#sayAgain(now)
    this.#report(now)
    clearTimeout(this.#timer)
    if (this.#over) return
    const next = Math.min(this.#signaling?.getTimer() ?? Infinity, this.#session?.getTimer() ?? Infinity, now + HOUSEKEEPING)
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, next - now))
  }

  #drainSession(): boolean {
    const effect = this.#session?.nextEffect()
    if (!effect) return false
    switch (effect.type) {
      case 'transmit':
        this.#transmit(effect.path, effect.data)
        break
      case 'state_version':
        this.#askForState(effect.version)
        break
      case 'message':
        this.#receiveMessage(effect.message)
        break
      case 'path_silent':
        this.#pathSilent(effect.path)
        break
      default:
        this.emit(effect)
    }
    return true
  }

  #drainSignaling(): boolean {
    const effect = this.#signaling?.nextEffect()
    if (!effect) return false
    switch (effect.type) {
      case 'connect':
        this.#connect(effect.socket, effect.quick)
        break
      case 'disconnect':
        this.#disconnect(effect.socket)
        break
      case 'transmit': {
        const socket = this.#sockets.get(effect.socket)
        if (socket?.readyState === 1) socket.send(effect.text) // WebSocket.OPEN
        break
      }
      case 'joined':
        this.#iceServers = effect.iceServers
        this.emit({ type: 'joined' })
        this.#target = this.#signaling?.hosts.some((host) => host.member === this.#target) ? this.#target : null
        this.#signalingUp(this.now())
        this.#sayAgain(this.now())
        this.#ensureSession(this.now())
        break
      case 'ice_servers':
        this.#iceServers = effect.iceServers // for the next peer: a credential's end does not end what it allocated
        break
      case 'hosts':
        this.#ensureSession(this.now())
        break
      case 'notice':
        this.emit(effect)
        break
      case 'lost':
        this.#session?.pathDown(SIGNALING)
        break
      case 'message': {
        const { from, data } = effect
        this.#inbox = this.#inbox.then(() => this.#receive(data, SIGNALING, from))
        break
      }
      case 'error':
        if (effect.final) this.#fatal = effect
        else this.emit({ type: 'trouble', code: effect.code, message: effect.message, final: false })
        break
      default:
    }
    return true
  }

  #transmit(path: string, data: Bytes): void {
    if (path !== SIGNALING) this.#peers.transmit(path, data)
    else if (this.#target) this.#signaling?.send(this.#target, data)
  }

  // The socket

  #connect(id: number, quick = false): void {
    const socket: WebSocket | Posts = quick ? new Posts(this.url.replace('ws', 'http')) : new WebSocket(this.url)
    this.#sockets.set(id, socket)
    // One that was given up may still have something to say; the signaling client knows them apart.
    const hear = (type: string, then: (event: Event) => void): void => {
      socket.addEventListener(type, (event: Event) => {
        then(event)
        this.#pump()
      })
    }
    hear('open', () => this.#signaling?.socketOpened(id, this.now()))
    hear('close', () => this.#signaling?.socketClosed(id, this.now()))
    hear('message', (event) => this.#signaling?.receiveText(id, String((event as MessageEvent).data), this.now()))
  }

  #disconnect(id: number): void {
    const socket = this.#sockets.get(id)
    this.#sockets.delete(id)
    socket?.close()
  }

  // Paths that die

  #roundTrip(path: string): number | null {
    return this.#session?.path(path)?.roundTrip ?? null
  }

  #pathSilent(name: string): void {
    const now = this.now()
    if (name === SIGNALING) {
      this.#signaling?.probe(now, this.#roundTrip(SIGNALING), 0)
    } else {
      // Both channels of a peer live and die together, but only one carries taps and is found out by them.
      const bulk = this.#session?.path(name.replace('control', 'bulk'))
      if (bulk?.isSilent) return
      if (bulk) bulk.isSilent = true
    }
    this.#peers.ensure(now)
    this.#sayAgain(now)
  }

  /** What may have got lost with a path, by another. */
  #sayAgain(now: number): void {
    if (this.#session?.isLive(now) !== true) return
    this.#peers.offerAgain(now)
    this.#askedForState = -Infinity
    this.#session.sendMessage({ type: 'get_state' }, now)
    this.emit({ type: 'path_silent' })
  }

  // The session

  /** Decide to whom frames go by way of the server: the first host that is here, unless the one we have still answers. */
  #route(now: number): void {
    const hosts = this.#signaling?.hosts ?? []
    const present = hosts.filter((host) => !host.away)
    const current = hosts.find((host) => host.member === this.#target)
    const unanswered = now - (this.#handshake?.since ?? now) > HELLO_PATIENCE && present.length > 1
    if (current && !unanswered && (!current.away || present.length === 0 || this.#peers.isFresh(now))) return
    if (unanswered) this.#hostTurn++
    const chosen = present[this.#hostTurn % Math.max(1, present.length)]?.member ?? null
    if (chosen === this.#target) return
    this.#target = chosen
    this.#handshake = null
    this.#signalingUp(now)
  }

  /** Perhaps it is the same host under a new name; if not, it says that it does not know the session. */
  #signalingUp(now: number): void {
    if (this.#target && this.#signaling?.isMember) this.#session?.pathUp(SIGNALING, 'signaling', now)
    else this.#session?.pathDown(SIGNALING)
  }

  #ensureSession(now: number): void {
    if (this.#over) return
    // Before a path is put up that is too young to be judged.
    const lives = this.#answers(now)
    this.#route(now)
    if (this.#fatal && !lives) {
      this.#end(this.#fatal.code, this.#fatal.message)
    } else if (!this.#signaling?.isMember || !this.#target) {
      this.#handshake = null
    } else if (!this.#handshake) {
      if (!lives) this.#shakeHands(now, true)
    } else if (this.#handshake.attempt && now >= this.#nextHello) {
      this.#nextHello = now + REPEAT_HELLO
      this.#signaling.send(this.#target, this.#handshake.attempt.hello)
    }
  }

  /** Whether any path has answered within three seconds, or is too young to be judged. A silent one may be replaced. */
  #answers(now: number): boolean {
    const paths = [this.#session?.path(SIGNALING), ...this.#peers.controlPaths()]
    const heard = paths.map((path) => path?.lastPong ?? path?.upSince ?? -Infinity)
    return Math.max(...heard) > now - LIVE_FOR
  }

  /** `isDoubt`: nobody says that the session is over, it is only silent. */
  #shakeHands(now: number, isDoubt = false): void {
    if (!this.#target || !this.#signaling?.isMember) return
    const first = this.#first
    this.#first = this.#signaling.hello = null
    if (first && now - first.since < HELLO_PATIENCE) {
      this.#handshake = { host: this.#target, ...first }
      this.#nextHello = now + REPEAT_HELLO
      return
    }
    const mine = { host: this.#target, attempt: null as Handshake | null, since: now, isDoubt }
    this.#handshake = mine
    // The host is silent, or the socket is dead and nobody has said so: find out which.
    if (this.#session) this.#signaling.probe(now, this.#roundTrip(SIGNALING))
    void Handshake.start(this.link, this.identity, this.meeting?.name).then((attempt) => {
      if (this.#handshake !== mine) return
      mine.attempt = attempt
      this.#ensureSession(this.now())
      this.#pump()
    })
  }

  /** Whatever came, by whatever way: sealed frames, or what belongs to a handshake. */
  async #receive(data: Bytes, path: string, from: string | null): Promise<void> {
    if (data[0] === WELCOME) await this.#receiveWelcome(data, from)
    else if (frameSession(data) === this.#session?.session) {
      const now = this.now()
      if (data[0] !== SESSION_UNKNOWN) this.#session.receiveFrame(data, path, now)
      else if (this.#handshake) this.#handshake.isDoubt = false
      else if (!this.#peers.isFresh(now)) this.#shakeHands(now)
    }
    this.#pump()
  }

  async #receiveWelcome(data: Bytes, from: string | null): Promise<void> {
    const waiting = this.#handshake
    const made = await waiting?.attempt?.receiveWelcome(data, this.now(), waiting.since)
    if (!made || this.#handshake !== waiting || waiting?.host !== from) return
    if (!this.#session || !waiting.isDoubt) {
      this.#adopt(made)
      return
    }
    // A host that slept answers what came first, our hello: what it says to the old session comes right behind.
    this.#session.checkPaths(this.now())
    setTimeout(() => {
      if (this.#handshake !== waiting) return
      if (this.#answers(this.now())) this.#handshake = null
      else this.#adopt(made)
      this.#pump()
    }, answersWithin(this.#roundTrip(SIGNALING)))
  }

  #adopt(made: Meeting): void {
    const now = this.now()
    this.#handshake = null
    this.#session?.abandon(now)
    while (this.#drainSession());
    this.#peers.close()
    this.#session = made.session
    this.meeting = made
    this.#state = null
    this.#askedForState = -Infinity
    this.emit({ type: 'session', role: made.role })
    this.#session.pathUp(SIGNALING, 'signaling', now)
    for (const { intent, at } of this.#early.splice(0)) this.#session.submit(intent, now, at + TAP_WAITS - now)
    this.#peers.build(now)
  }

  #expireEarly(now: number): void {
    while (this.#early[0] && now - this.#early[0].at >= TAP_WAITS) {
      const { intent } = this.#early.shift() as { intent: Intent }
      const receipt = { sequence: 0, intent, from: null, to: null, ms: TAP_WAITS, path: null }
      this.emit({ type: 'receipt', receipt: { ...receipt, status: 'expired', reason: 'late' } })
    }
  }

  #askForState(version?: unknown): void {
    const now = this.now()
    if ((this.#state?.version ?? 0) === version) return // 0: nothing was told yet
    if (now - this.#askedForState < 1000) return
    this.#askedForState = now
    this.#session?.sendMessage({ type: 'get_state' }, now)
  }

  #receiveMessage(message: FromHost): void {
    const handler = this.#handlers.get(message.type)
    if (handler || this.#peers.receiveMessage(message)) {
      handler?.(message)
      return
    }
    switch (message.type) {
      case 'closed':
        this.#end(message.code || 'removed', message.reason)
        break
      case 'state':
        if (message.since && message.since !== this.#state?.version) {
          this.#askForState()
          break
        }
        this.#state = message.since ? merge(this.#state, message) : message
        this.emit({ type: 'message', message: this.#state })
        break
      case 'laser':
        this.#state = { type: 'state', version: 0, ...this.#state, laser: message.at }
        this.emit({ type: 'message', message: this.#state })
        break
      default:
        this.emit({ type: 'message', message })
    }
  }

  /** It is over, and nothing here will change that. */
  #end(code: string, message: string): void {
    if (this.#over) return
    this.#over = true
    this.#session?.abandon(this.now())
    this.#signaling?.leave()
    this.#peers.close()
    this.emit({ type: 'trouble', code, message, final: true })
  }

  // What to say about it

  #report(now: number): void {
    const best = this.#session?.bestPath(now)
    const present = this.#signaling?.hosts.some((host) => !host.away) ?? false
    this.#wasConnected ||= best !== undefined
    let standing: Standing = this.#wasConnected ? 'reconnecting' : 'connecting'
    if (best) standing = best.kind as Standing
    else if (this.#signaling?.isMember && !present) standing = 'host_gone'
    const roundTrip = best?.roundTrip === null || !best ? null : Math.round(best.roundTrip)
    const report = `${standing} ${roundTrip}`
    if (this.#reported === report) return
    this.#reported = report
    this.emit({ type: 'standing', standing, roundTrip })
  }
}

/** The state after a message that says what changed: of a part that is an object, the fields that are different. */
function merge(held: StateMessage | null, changes: StateMessage): StateMessage {
  const before: { [part: string]: unknown } = { ...held }
  const parts = Object.entries(changes).map(([name, value]) => {
    const is = before[name]
    return [name, value instanceof Object && !Array.isArray(value) && is instanceof Object ? { ...is, ...value } : value]
  })
  return { ...held, ...(Object.fromEntries(parts) as StateMessage) }
}
