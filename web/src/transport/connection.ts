/* A presenter's connection to the host in a browser: the shell of protocol/connection.ts and protocol/signaling.ts, which
 * decide everything. This file has the clock, the sockets, the peer connections and the one timer, and gives the events
 * to the page. */

import { monotonicClock } from '../protocol/clock.ts'
import { Connection, type Effect } from '../protocol/connection.ts'
import type { Rules } from '../protocol/generations.ts'
import { Handshake, type Identity } from '../protocol/handshake.ts'
import { joinToken, type Link } from '../protocol/links.ts'
import type { FromHost, FromPresenter } from '../protocol/messages.ts'
import type { Intent, Point } from '../protocol/records.ts'
import { SignalingClient } from '../protocol/signaling.ts'
import { HttpSocket } from './http_socket.ts'
import type { Peer } from './peer.ts'

export type ConnectionState = 'connecting' | 'direct' | 'relayed' | 'signaling' | 'reconnecting' | 'host_gone'

export type ConnectionEvent =
  | { type: 'connection_state'; state: ConnectionState; roundTrip: number | null }
  | Exclude<Effect, { generation: number } | { handshake: Handshake } | { type: 'closed' | 'create_handshake' | 'send_by_signaling' | 'check_server' }>
  /** There is no way in. Unless `final` it is tried again, and `joined` says that it worked. */
  | { type: 'error'; code: string; message: string; final: boolean }
  | { type: 'joined' }
  /** A message of the server's operator to everybody in the room. */
  | { type: 'notice'; text: string }

/** How long a tap waits for the first session. */
const TAP_WAITS = 2000
/** How long before what could not be loaded is asked for again. */
const LOAD_AGAIN = 3000

export class PresenterConnection {
  readonly now = monotonicClock()
  /** How much came that may not be used: see negotiation.ts. */
  readonly refused = { ice_servers: 0, candidates: 0 }
  readonly core: Connection
  #signaling: SignalingClient | null = null
  readonly #sockets = new Map<number, WebSocket | HttpSocket>()
  readonly #peers = new Map<number, Peer>()
  /** Its code comes behind what the first tap needs. */
  #module: typeof import('./peer.ts') | null = null
  #loading = 0
  /** Made while the first hello is on its way, so that its offer goes with the first taps. */
  #spare: Peer | null = null
  /** Taps made before any session began. */
  #early: { intent: Intent; at: number }[] = []
  /** What the server will not change its mind about. */
  #refusal: { code: string; message: string } | null = null
  #over = false
  #reported = ''
  #wasConnected = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #draining = false
  readonly #handlers = new Map<string, (message: FromHost) => void>()

  constructor(
    private readonly link: Link,
    private readonly identity: Identity,
    private readonly url: string,
    private readonly emit: (event: ConnectionEvent) => void,
  ) {
    this.core = new Connection(new URL(url).hostname, Math.random)
  }

  async start(): Promise<void> {
    const handshake = await Handshake.start(this.link, this.identity).catch(() => null)
    if (!handshake) {
      this.#end('browser_old', '')
      return
    }
    this.core.start(handshake, this.now())
    const entry = { link: this.link.id, token: await joinToken(this.link), name: this.identity.name }
    this.#signaling = new SignalingClient(entry, this.now(), Math.random)
    this.#signaling.hello = handshake.hello
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#wake()
    })
    globalThis.addEventListener('pageshow', () => this.#wake())
    globalThis.addEventListener('pagehide', ({ persisted }) => {
      if (!persisted) this.#leave() // closed or loaded anew; a page that is only put aside comes back as the same member
    })
    globalThis.addEventListener('online', () => this.#wake(true))
    const network = (navigator as { connection?: EventTarget }).connection
    network?.addEventListener('change', () => this.#wake(true))
    this.#timerFired()
    void this.#load()
  }

  // What the page does

  submit(intent: Intent): void {
    const now = this.now()
    if (this.core.session) this.core.session.submit(intent, now)
    else this.#early.push({ intent, at: now })
    this.#drain()
  }

  point(points: Point[]): void {
    this.core.session?.point(points, this.now())
    this.#drain()
  }

  /** False: there is no way to send it now, and it is not kept. */
  send(message: FromPresenter): boolean {
    const sent = this.core.session?.sendMessage(message, this.now()) ?? false
    this.#drain()
    return sent
  }

  /** Messages of this type go to `handler` from now on, and are no events of the page. */
  onMessage<T extends FromHost['type']>(type: T, handler: (message: Extract<FromHost, { type: T }>) => void): void {
    this.#handlers.set(type, handler as (message: FromHost) => void)
  }

  /** Whether the other end may learn where this one is. The room may ask for the same; this loosens nothing of that. */
  setRelaysOnly(isWanted: boolean): void {
    this.core.setRelaysOnly(isWanted, this.now())
    this.#drain()
  }

  /** The page is in front again, or has another network. */
  #wake(isNewNetwork = false): void {
    this.core.wake(this.now(), isNewNetwork)
    this.#drain()
  }

  #leave(): void {
    this.#signaling?.leave()
    while (this.#drainSignaling());
  }

  // The loop: time passes, effects are carried out

  #timerFired(): void {
    const now = this.now()
    this.#signaling?.handleTimer(now)
    this.core.handleTimer(now)
    this.#expireEarly(now)
    this.#drain()
  }

  /** Carry out what the cores want done. A call from within leaves it to the one that runs. */
  #drain(): void {
    if (this.#draining) return
    this.#draining = true
    try {
      while (this.#drainCore() || this.#drainSignaling());
    } finally {
      this.#draining = false
    }
    const now = this.now()
    if (this.#refusal && !this.core.isAnswering(now)) this.#end(this.#refusal.code, this.#refusal.message)
    this.#report(now)
    clearTimeout(this.#timer)
    if (this.#over) return
    const next = Math.min(this.#signaling?.getTimer() ?? Infinity, this.core.getTimer())
    this.#timer = setTimeout(() => this.#timerFired(), Math.max(0, next - now))
  }

  #drainCore(): boolean {
    const now = this.now()
    const effect = this.core.nextEffect(now)
    if (!effect) return false
    switch (effect.type) {
      case 'send_by_signaling':
        this.#signaling?.send(effect.member, effect.data)
        break
      case 'send_by_peer':
        this.#peers.get(effect.generation)?.send(effect.channel, effect.data)
        break
      case 'check_server': {
        const roundTrip = this.core.session?.path('signaling')?.roundTrip ?? null
        this.#signaling?.probe(now, roundTrip, effect.isSilent ? 0 : undefined)
        break
      }
      case 'create_handshake':
        void Handshake.start(this.link, this.identity, effect.replaces).then((handshake) => {
          this.core.handshakeCreated(effect, handshake, this.now())
          this.#drain()
        })
        break
      case 'read_welcome':
        void effect.handshake.readWelcome(effect.data).then((welcome) => {
          this.core.welcomeRead(effect, welcome, this.now())
          this.#drain()
        })
        break
      case 'create_offer':
        this.#createOffer(effect.generation, effect.rules)
        break
      case 'accept_answer':
        this.#peers.get(effect.generation)?.receiveAnswer(effect.sdp, effect.isNear)
        break
      case 'add_candidate':
        this.#peers.get(effect.generation)?.receiveCandidate(effect.candidate)
        break
      case 'close_peer':
        this.#peers.get(effect.generation)?.close()
        this.#peers.delete(effect.generation)
        break
      case 'session':
        this.emit(effect)
        for (const { intent, at } of this.#early.splice(0)) this.core.session?.submit(intent, now, at + TAP_WAITS - now)
        break
      case 'message': {
        const handler = this.#handlers.get(effect.message.type)
        if (handler) handler(effect.message)
        else this.emit(effect)
        break
      }
      case 'closed':
        this.#end(effect.code || 'removed', effect.reason)
        break
      default:
        this.emit(effect)
    }
    return true
  }

  #drainSignaling(): boolean {
    const signaling = this.#signaling
    const effect = signaling?.nextEffect()
    if (!signaling || !effect) return false
    const now = this.now()
    switch (effect.type) {
      case 'connect':
        this.#connect(effect.socket, effect.quick)
        break
      case 'disconnect':
        this.#sockets.get(effect.socket)?.close()
        this.#sockets.delete(effect.socket)
        break
      case 'transmit': {
        const socket = this.#sockets.get(effect.socket)
        if (socket?.readyState === 1) socket.send(effect.text) // WebSocket.OPEN
        break
      }
      case 'joined':
        signaling.hello = null // what a later `join` needs is decided then
        this.emit({ type: 'joined' })
        this.core.joined(signaling.hosts, effect.iceServers, signaling.network, now)
        break
      case 'ice_servers':
        this.core.iceServersChanged(effect.iceServers)
        break
      case 'hosts':
        this.core.hostsChanged(signaling.hosts, now)
        break
      case 'notice':
        this.emit(effect)
        break
      case 'lost':
        this.core.serverLost(now)
        break
      case 'message':
        this.core.receiveSignaling(effect.data, effect.from, now)
        break
      case 'error':
        if (effect.final) this.#refusal = effect
        else this.emit({ type: 'error', code: effect.code, message: effect.message, final: false })
        break
      default:
    }
    return true
  }

  // The socket

  #connect(id: number, quick = false): void {
    const socket: WebSocket | HttpSocket = quick ? new HttpSocket(this.url.replace('ws', 'http')) : new WebSocket(this.url)
    this.#sockets.set(id, socket)
    // One that was given up may still have something to say; the signaling client knows them apart.
    const hear = (type: string, then: (event: Event) => void): void => {
      socket.addEventListener(type, (event: Event) => {
        then(event)
        this.#drain()
      })
    }
    hear('open', () => this.#signaling?.socketOpened(id, this.now()))
    hear('close', () => this.#signaling?.socketClosed(id, this.now()))
    hear('message', (event) => this.#signaling?.receiveText(id, String((event as MessageEvent).data), this.now()))
  }

  // Peer connections

  async #load(): Promise<void> {
    if (typeof RTCPeerConnection === 'undefined') return
    globalThis.importQuery = this.#loading++ ? `?${this.#loading}` : ''
    try {
      this.#module = await import('./peer.ts')
      this.core.generations.isEnabled = true
      if (this.core.session) this.#timerFired()
      else this.#spare = this.#newPeer()
    } catch {
      setTimeout(() => void this.#load(), LOAD_AGAIN)
    }
  }

  #createOffer(generation: number, rules: Rules): void {
    const peer = this.#spare ?? this.#newPeer()
    this.#spare = null
    if (!peer) return
    this.#peers.set(generation, peer)
    void peer.offer(rules, generation)
  }

  #newPeer(): Peer | null {
    const { generations } = this.core
    const reported = (happened: () => void): void => {
      happened()
      this.#drain()
    }
    return this.#module && new this.#module.Peer({
      signal: (message) =>
        reported(() => {
          if (message.type === 'offer') generations.offerCreated(message.generation, message.sdp, this.now())
          else generations.candidateFound(message.generation, message.candidate ?? null, this.now())
        }),
      opened: (peer, channel, isRelayed) => reported(() => generations.channelOpened(peer.generation, channel, isRelayed, this.now())),
      pathFound: (peer, isRelayed) => generations.pathFound(peer.generation, isRelayed),
      frame: (peer, channel, data) => reported(() => this.core.receivePeer(data, peer.generation, channel, this.now())),
      refused: (what, times) => {
        this.refused[what] += times
      },
      failed: (peer) => reported(() => generations.peerFailed(peer.generation, this.now())),
    })
  }

  // Taps before there is a session

  #expireEarly(now: number): void {
    while (this.#early[0] && now - this.#early[0].at >= TAP_WAITS) {
      const { intent } = this.#early.shift() as { intent: Intent }
      const receipt = { sequence: 0, intent, status: 'expired', from: null, to: null, reason: 'late', ms: TAP_WAITS, path: null } as const
      this.emit({ type: 'receipt', receipt })
    }
  }

  // What the page is told

  /** It is over, and nothing here will change that. */
  #end(code: string, message: string): void {
    if (this.#over) return
    this.#over = true
    this.core.close(this.now())
    this.#signaling?.leave()
    this.#drain()
    this.emit({ type: 'error', code, message, final: true })
  }

  #report(now: number): void {
    const best = this.core.session?.bestPath(now)
    const present = this.#signaling?.hosts.some((host) => !host.away) ?? false
    this.#wasConnected ||= best !== undefined
    let state: ConnectionState = this.#wasConnected ? 'reconnecting' : 'connecting'
    if (best) state = best.kind as ConnectionState
    else if (this.#signaling?.isMember && !present) state = 'host_gone'
    const roundTrip = best ? Math.round(best.roundTrip ?? 0) : null // it is proven, so there is one
    const report = `${state} ${roundTrip}`
    if (this.#reported === report) return
    this.#reported = report
    this.emit({ type: 'connection_state', state, roundTrip })
  }
}
