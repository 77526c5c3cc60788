/* The presenter's end of the signaling protocol (protocol/signaling.md): stay a member of the room, whatever happens to
 * the socket. Sans-I/O: the owner opens and closes sockets when asked, and feeds back what came of it.
 *
 *     connect → (socketOpened) → join, or resume if we were a member → joined → … → lost → wait → connect
 *
 * A socket that is in doubt is kept while another is opened beside it: whichever proves itself first is the one. Beside
 * the very first there is a quick one, made of requests, on which we are a member until the first is open. Sockets are
 * numbers here. `now` is in milliseconds; `random` gives numbers from 0 to 1 for the jitter of the waits. */

import { type Bytes, fromBase64Url, toBase64Url } from './bytes.ts'

const BACKOFF_FIRST = 250
const BACKOFF_LAST = 15_000
/** A socket that takes longer to open, or a first message to be answered, is not going to work. */
const PATIENCE = 6000
/** What is known of the way to the server shortens that, and how long a `probe` waits for a sign of life. */
const opensWithin = (roundTrip: number | null): number => (roundTrip === null ? PATIENCE : 1000 + 6 * roundTrip)
export const answersWithin = (roundTrip: number | null): number => 2 * (roundTrip ?? 250) + 150

/** Errors that no repetition cures. `link_unknown` is not among them: the host may not be back yet. */
const FINAL = new Set([
  'version_unsupported',
  'link_wrong',
  'link_expired',
  'link_revoked',
  'room_ended',
  'removed',
])
export interface Host {
  member: string
  name: string
  away: boolean
}

export type SignalingEffect =
  | { type: 'connect'; socket: number; quick?: true }
  | { type: 'disconnect'; socket: number }
  | { type: 'transmit'; socket: number; text: string }
  /** We are a member; `fresh` if a new one, so that what was on its way to the old one is lost. */
  | { type: 'joined'; fresh: boolean; iceServers: RTCIceServer[] }
  /** In place of those before. */
  | { type: 'ice_servers'; iceServers: RTCIceServer[] }
  /** A message of the server's operator. It is not sealed. */
  | { type: 'notice'; text: string }
  | { type: 'message'; from: string; data: Bytes }
  | { type: 'hosts' }
  /** The socket is gone; it will be tried again. */
  | { type: 'lost' }
  | { type: 'error'; code: string; message: string; final: boolean }

interface FromServer {
  type?: unknown
  n?: unknown
  [field: string]: unknown
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

const iceServersIn = ({ ice_servers: servers }: FromServer): RTCIceServer[] =>
  Array.isArray(servers) ? (servers as RTCIceServer[]) : []

export class SignalingClient {
  hosts: Host[] = []
  /** Where the server says that we are. */
  network = ''
  /** Said along with `join`, to the first host that is there. Set before the first socket, it asks for the quick one. */
  hello: Bytes | null = null
  #sockets = 0
  /** The one on which we are a member. */
  #inside: number | null = null
  /** One that is being opened, or has said its first message. */
  #coming: { socket: number; isOpen: boolean; deadAt: number } | null = null
  #quick: number | null = null
  #over = false
  #resume = ''
  #last = 0
  #heartbeat = 20_000
  #nextPing = Infinity
  #deadAt = Infinity
  /** By when the socket inside has to answer, or another is opened beside it. */
  #answerBy = Infinity
  /** When the next one may be opened. */
  #connectAt: number
  #roundTrip: number | null = null
  #failures = 0
  readonly #effects: SignalingEffect[] = []

  constructor(
    private readonly entry: { link: string; token: Bytes; name: string },
    now: number,
    private readonly random: () => number,
  ) {
    this.#connectAt = now
  }

  get isMember(): boolean {
    return this.#inside !== null
  }

  // What the owner says

  socketOpened(socket: number, now: number): void {
    if (socket === this.#quick) this.#enter(socket)
    if (socket !== this.#coming?.socket) return
    this.#coming.isOpen = true
    this.#enterWithComing(now)
  }

  socketClosed(socket: number, now: number): void {
    this.#lose(socket, now)
  }

  /** Something may have happened to the socket (the page slept): get an answer from it soon, or take another. */
  probe(now: number, roundTrip: number | null, patience = answersWithin(roundTrip)): void {
    this.#roundTrip = roundTrip ?? this.#roundTrip
    if (this.#inside !== null) {
      this.#ping(now)
      this.#answerBy = Math.min(this.#answerBy, now + patience)
    } else if (!this.#coming) {
      this.#connectAt = now
    }
    this.handleTimer(now)
  }

  send(to: string, data: Uint8Array): void {
    if (this.#inside !== null) this.#transmit(this.#inside, { type: 'send', to, data: toBase64Url(data) })
  }

  /** Leave the room for good. */
  leave(): void {
    if (this.#inside !== null) this.#transmit(this.#inside, { type: 'leave' })
    this.#end()
  }

  receiveText(socket: number, received: string, now: number): void {
    if (this.#over || !this.#isOurs(socket)) return
    let message: FromServer
    try {
      message = JSON.parse(received) as FromServer
    } catch {
      return
    }
    if (typeof message !== 'object' || message === null) return
    if (socket === this.#inside) {
      this.#deadAt = now + 3 * this.#heartbeat
      this.#answerBy = Infinity
    }
    if (typeof message.n === 'number') {
      if (message.n <= this.#last) return // delivered before, and again on resume
      this.#last = message.n
    }
    this.#receive(socket, message, now)
  }

  handleTimer(now: number): void {
    if (this.#over) return
    if (this.#coming && now >= this.#coming.deadAt) this.#lose(this.#coming.socket, now)
    if (this.#inside !== null && now >= this.#deadAt) this.#lose(this.#inside, now)
    if (this.#inside !== null && now >= this.#nextPing) this.#ping(now)
    if (!this.#coming && now >= this.#connectsAt()) {
      if (this.hello && this.#sockets === 0) {
        this.#quick = ++this.#sockets
        this.#effects.push({ type: 'connect', socket: this.#quick, quick: true })
      }
      const socket = ++this.#sockets
      this.#coming = { socket, isOpen: false, deadAt: now + opensWithin(this.#roundTrip) }
      this.#effects.push({ type: 'connect', socket })
    }
  }

  getTimer(): number {
    if (this.#over) return Infinity
    return Math.min(this.#deadAt, this.#nextPing, this.#coming?.deadAt ?? this.#connectsAt())
  }

  nextEffect(): SignalingEffect | null {
    return this.#effects.shift() ?? null
  }

  // Inside

  /** The next socket is opened when there is none, or when the one there is has not answered. */
  #connectsAt(): number {
    return this.#inside === null ? this.#connectAt : Math.max(this.#connectAt, this.#answerBy)
  }

  #isOurs(socket: number): boolean {
    return socket === this.#inside || socket === this.#coming?.socket || socket === this.#quick
  }

  #transmit(socket: number, message: { type: string; [field: string]: unknown }): void {
    this.#effects.push({ type: 'transmit', socket, text: JSON.stringify(message) })
  }

  #enterWithComing(now: number): void {
    const coming = this.#coming
    // What the quick one receives is waited for: two that join would be two members.
    if (!coming?.isOpen || (this.#quick !== null && this.#inside === null)) return
    if (this.#inside !== null && this.#inside !== this.#quick && this.#answerBy === Infinity) {
      this.#coming = null // the one we have has answered meanwhile
      this.#effects.push({ type: 'disconnect', socket: coming.socket })
    } else {
      coming.deadAt = now + opensWithin(this.#roundTrip)
      this.#enter(coming.socket)
    }
  }

  #enter(socket: number): void {
    if (this.#resume) {
      this.#transmit(socket, { type: 'resume', v: 1, resume: this.#resume, last: this.#last })
    } else {
      const { link, token, name } = this.entry
      this.#transmit(socket, { type: 'join', v: 1, link, token: toBase64Url(token), ...(name && { name }) })
      if (this.hello) this.#transmit(socket, { type: 'send', data: toBase64Url(this.hello) })
    }
  }

  #ping(now: number): void {
    this.#transmit(this.#inside as number, { type: 'ping', last: this.#last })
    this.#nextPing = now + this.#heartbeat
  }

  #lose(socket: number, now: number, atLeast = 0): void {
    if (!this.#isOurs(socket)) return
    const waited = socket === this.#quick && this.#inside === null
    if (socket === this.#quick) this.#quick = null
    if (socket === this.#inside) {
      this.#inside = null
      this.#nextPing = this.#deadAt = this.#answerBy = Infinity
      this.#effects.push({ type: 'lost' })
    } else if (socket === this.#coming?.socket) this.#coming = null
    this.#effects.push({ type: 'disconnect', socket })
    if (waited) this.#enterWithComing(now)
    if (this.#coming) return
    const longest = Math.min(BACKOFF_LAST, BACKOFF_FIRST * 2 ** this.#failures++)
    this.#connectAt = now + atLeast + this.random() * longest
  }

  #end(): void {
    this.#over = true
    for (const socket of new Set([this.#inside, this.#quick, this.#coming?.socket ?? null])) {
      if (socket !== null) this.#effects.push({ type: 'disconnect', socket })
    }
    this.#inside = this.#quick = this.#coming = null
  }

  #receive(socket: number, message: FromServer, now: number): void {
    switch (message.type) {
      case 'joined':
      case 'resumed':
        this.#entered(socket, message, now)
        break
      case 'message': {
        const data = fromBase64Url(text(message['data']))
        if (data && typeof message.n === 'number') this.#effects.push({ type: 'message', from: text(message['from']), data })
        break
      }
      case 'ice_servers':
        this.#effects.push({ type: 'ice_servers', iceServers: iceServersIn(message) })
        break
      case 'notice':
        this.#effects.push({ type: 'notice', text: text(message['text']) })
        break
      case 'host_joined':
        this.hosts = this.hosts.filter((host) => host.member !== message['member'])
        this.hosts.push({ member: text(message['member']), name: text(message['name']), away: false })
        this.#effects.push({ type: 'hosts' })
        break
      case 'host_left':
        this.hosts = this.hosts.filter((host) => host.member !== message['member'])
        this.#effects.push({ type: 'hosts' })
        break
      case 'host_away':
      case 'host_back':
        for (const host of this.hosts) {
          if (host.member === message['member']) host.away = message.type === 'host_away'
        }
        this.#effects.push({ type: 'hosts' })
        break
      case 'room_ended':
      case 'link_revoked':
        this.#effects.push({ type: 'error', code: message.type, message: '', final: true })
        this.#end()
        break
      case 'error':
        this.#receiveError(socket, message, now)
        break
      default: // pong, and what a later version adds
    }
  }

  #entered(socket: number, message: FromServer, now: number): void {
    const fresh = message.type === 'joined'
    if (this.#inside !== null && this.#inside !== socket) this.#effects.push({ type: 'disconnect', socket: this.#inside })
    this.#inside = socket
    if (socket !== this.#quick) this.#quick = this.#coming = null
    this.#failures = 0
    this.#connectAt = now
    this.#answerBy = Infinity
    if (fresh) this.#last = 0
    this.#resume = text(message['resume'])
    this.network = text(message['network'])
    const seconds = message['heartbeat']
    this.#heartbeat = typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : this.#heartbeat
    this.#nextPing = now + this.#heartbeat
    this.#deadAt = now + 3 * this.#heartbeat
    const hosts = Array.isArray(message['hosts']) ? (message['hosts'] as Partial<Host>[]) : []
    this.hosts = hosts.map(({ member, name, away }) => ({ member: text(member), name: text(name), away: away === true }))
    this.#effects.push({ type: 'joined', fresh, iceServers: iceServersIn(message) })
    if (socket === this.#quick) this.#enterWithComing(now)
  }

  #receiveError(socket: number, message: FromServer, now: number): void {
    const code = text(message['code'])
    if (code === 'resume_unknown') {
      this.#resume = ''
      this.#enter(socket)
      return
    }
    const final = FINAL.has(code)
    const entering = socket !== this.#inside
    // Once we are in, an error is about one message (its receiver left, there were too many): what matters is repeated.
    if (final || entering) this.#effects.push({ type: 'error', code, message: text(message['message']), final })
    if (final) {
      this.#end()
    } else if (code === 'replaced') {
      this.#lose(socket, now) // by one of our own, whose answer is still on its way
    } else if (entering || code === 'server_closing') {
      // Being turned away is counted against us, more slowly than a socket that fails: do not burn that by hurrying.
      const after = message['retry_after']
      const wait = typeof after === 'number' ? after * 1000 : 1000
      if (socket === this.#quick && this.#coming) this.#lose(this.#coming.socket, now, wait) // it would be told the same
      this.#lose(socket, now, wait)
    }
  }
}
