/* The presenter's end of the signaling protocol (protocol/signaling.md): stay a member of the room, whatever happens to
 * the socket. Sans-I/O: the owner opens and closes sockets when asked, and feeds back what came of it.
 *
 *     connect → (socketOpened) → join, or resume if we were a member → joined → … → lost → wait → connect
 *
 * `now` is in milliseconds; `random` gives numbers from 0 to 1 for the jitter of the waits. */

import { type Bytes, fromBase64Url, toBase64Url } from './bytes.ts'

const BACKOFF_FIRST = 250
const BACKOFF_LAST = 15_000
/** A socket that takes longer to open, or a first message to be answered, is not going to work. */
const PATIENCE = 6000
/** How long an anxious `probe` waits for any sign of life. */
const PROBE_PATIENCE = 900

/** Errors that no repetition cures. `link_unknown` is not among them: the host may not be back yet. */
const FINAL = new Set([
  'version_unsupported',
  'link_wrong',
  'link_expired',
  'link_revoked',
  'room_ended',
  'removed',
  'replaced',
])
export interface Host {
  member: string
  name: string
  away: boolean
}

export type SignalingEffect =
  | { type: 'connect' }
  | { type: 'disconnect' }
  | { type: 'transmit'; text: string }
  /** We are a member; `fresh` if a new one, so that what was on its way to the old one is lost. */
  | { type: 'joined'; fresh: boolean; iceServers: RTCIceServer[] }
  /** In place of those before. */
  | { type: 'ice_servers'; iceServers: RTCIceServer[] }
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
  #state: 'waiting' | 'connecting' | 'entering' | 'member' | 'ended' = 'waiting'
  #resume = ''
  #last = 0
  #heartbeat = 20_000
  #nextPing = Infinity
  #deadAt = Infinity
  #connectAt: number
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
    return this.#state === 'member'
  }

  // What the owner says

  socketOpened(now: number): void {
    if (this.#state !== 'connecting') return
    this.#state = 'entering'
    this.#deadAt = now + PATIENCE
    this.#enter()
  }

  socketClosed(now: number): void {
    if (this.#state !== 'ended') this.#lose(now)
  }

  /** Something may have happened to the socket (the page slept): hear from it within a second, or take another. */
  probe(now: number): void {
    if (this.#state === 'waiting') {
      this.#connectAt = now
      this.handleTimer(now)
    } else if (this.#state === 'member') {
      this.#ping(now)
      this.#deadAt = Math.min(this.#deadAt, now + PROBE_PATIENCE)
    }
  }

  send(to: string, data: Uint8Array): void {
    if (this.#state === 'member') this.#transmit({ type: 'send', to, data: toBase64Url(data) })
  }

  /** Leave the room for good. */
  leave(): void {
    if (this.#state === 'member') this.#transmit({ type: 'leave' })
    this.#end()
  }

  receiveText(received: string, now: number): void {
    if (this.#state === 'ended') return
    let message: FromServer
    try {
      message = JSON.parse(received) as FromServer
    } catch {
      return
    }
    if (typeof message !== 'object' || message === null) return
    if (this.#state === 'member') this.#deadAt = now + 3 * this.#heartbeat
    if (typeof message.n === 'number') {
      if (message.n <= this.#last) return // delivered before, and again on resume
      this.#last = message.n
    }
    this.#receive(message, now)
  }

  handleTimer(now: number): void {
    if (this.#state === 'ended') return
    if (this.#state === 'waiting' && now >= this.#connectAt) {
      this.#state = 'connecting'
      this.#deadAt = now + PATIENCE
      this.#effects.push({ type: 'connect' })
    } else if (this.#state !== 'waiting' && now >= this.#deadAt) {
      this.#lose(now)
    } else if (this.#state === 'member' && now >= this.#nextPing) {
      this.#ping(now)
    }
  }

  getTimer(): number {
    if (this.#state === 'ended') return Infinity
    return this.#state === 'waiting' ? this.#connectAt : Math.min(this.#deadAt, this.#nextPing)
  }

  nextEffect(): SignalingEffect | null {
    return this.#effects.shift() ?? null
  }

  // Inside

  #transmit(message: { type: string; [field: string]: unknown }): void {
    this.#effects.push({ type: 'transmit', text: JSON.stringify(message) })
  }

  #enter(): void {
    if (this.#resume) {
      this.#transmit({ type: 'resume', v: 1, resume: this.#resume, last: this.#last })
    } else {
      const { link, token, name } = this.entry
      this.#transmit({ type: 'join', v: 1, link, token: toBase64Url(token), ...(name && { name }) })
    }
  }

  #ping(now: number): void {
    this.#transmit({ type: 'ping', last: this.#last })
    this.#nextPing = now + this.#heartbeat
  }

  #lose(now: number, atLeast = 0): void {
    if (this.#state === 'waiting') return
    if (this.#state === 'member') this.#effects.push({ type: 'lost' })
    this.#effects.push({ type: 'disconnect' })
    this.#state = 'waiting'
    this.#nextPing = this.#deadAt = Infinity
    const longest = Math.min(BACKOFF_LAST, BACKOFF_FIRST * 2 ** this.#failures++)
    this.#connectAt = now + atLeast + this.random() * longest
  }

  #end(): void {
    if (this.#state !== 'waiting') this.#effects.push({ type: 'disconnect' })
    this.#state = 'ended'
  }

  #receive(message: FromServer, now: number): void {
    switch (message.type) {
      case 'joined':
      case 'resumed':
        this.#entered(message, now)
        break
      case 'message': {
        const data = fromBase64Url(text(message['data']))
        if (data && typeof message.n === 'number') this.#effects.push({ type: 'message', from: text(message['from']), data })
        break
      }
      case 'ice_servers':
        this.#effects.push({ type: 'ice_servers', iceServers: iceServersIn(message) })
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
        this.#receiveError(message, now)
        break
      default: // pong, and what a later version adds
    }
  }

  #entered(message: FromServer, now: number): void {
    const fresh = message.type === 'joined'
    this.#state = 'member'
    this.#failures = 0
    if (fresh) this.#last = 0
    this.#resume = text(message['resume'])
    const seconds = message['heartbeat']
    this.#heartbeat = typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : this.#heartbeat
    this.#nextPing = now + this.#heartbeat
    this.#deadAt = now + 3 * this.#heartbeat
    const hosts = Array.isArray(message['hosts']) ? (message['hosts'] as Partial<Host>[]) : []
    this.hosts = hosts.map(({ member, name, away }) => ({ member: text(member), name: text(name), away: away === true }))
    this.#effects.push({ type: 'joined', fresh, iceServers: iceServersIn(message) })
  }

  #receiveError(message: FromServer, now: number): void {
    const code = text(message['code'])
    if (code === 'resume_unknown') {
      this.#resume = ''
      this.#enter()
      return
    }
    const final = FINAL.has(code)
    const entering = this.#state === 'entering'
    // Once we are in, an error is about one message (its receiver left, there were too many): what matters is repeated.
    if (final || entering) this.#effects.push({ type: 'error', code, message: text(message['message']), final })
    if (final) {
      this.#end()
    } else if (entering || code === 'server_closing') {
      // Being turned away is counted against us, more slowly than a socket that fails: do not burn that by hurrying.
      const after = message['retry_after']
      this.#lose(now, typeof after === 'number' ? after * 1000 : 1000)
    }
  }
}
