/* Which addresses one end lets out to the other, and lets in from it: the twin of control/privacy.py, where the table
 * and its reasons stand (also: docs/design/privacy.md). protocol/vectors/privacy.json is for both. */

export type Privacy = 'open' | 'balanced' | 'private'

const ORDER: unknown[] = ['open', 'balanced', 'private']

export const stricter = (one: Privacy, other: Privacy): Privacy => (ORDER.indexOf(one) > ORDER.indexOf(other) ? one : other)

/** What the other end asks for. What a later version may say is taken for the strictest. */
export const readPrivacy = (word: unknown, absent: Privacy): Privacy =>
  word === undefined || word === null ? absent : ORDER.includes(word) ? (word as Privacy) : 'private'

/** How a browser writes it, if it is an address at all. */
const canonical = (host: string): string => {
  try {
    return new URL(`http://${host}`).hostname
  } catch {
    return ''
  }
}

const LOCAL_4 = /^(0|10|127|169\.254|172\.(1[6-9]|2\d|3[01])|192\.(168|0\.0)|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])|22[4-9]|2[3-5]\d)\./
/** 2000::/3 without Teredo and 6to4, which have an IPv4 address in them. */
const GLOBAL_6 = /^\[[23][\da-f]{3}:/
const TUNNEL_6 = /^\[(2002:|2001:(0:|:))/

/** `other`: no address in its usual notation, and no name that is looked up on the link only. */
export function kindOf(address: string): 'mdns' | 'public' | 'local' | 'other' {
  if (/^[a-z\d-]{1,63}\.local$/i.test(address)) return 'mdns'
  if (/^[\d.]+$/.test(address)) {
    return canonical(address) !== address ? 'other' : LOCAL_4.test(address) ? 'local' : 'public'
  }
  const six = /^[\da-f:.]+$/i.test(address) && canonical(`[${address}]`)
  return !six ? 'other' : GLOBAL_6.test(six) && !TUNNEL_6.test(six) ? 'public' : 'local'
}

// RFC 8839 §5.1. What follows are pairs of a name and a value; the first two may be `raddr` and `rport`.
const CANDIDATE =
  /^candidate:([A-Za-z\d+/]{1,32}) (\d{1,5} [A-Za-z]{1,8} \d{1,10} (\S{1,255}) \d{1,5}) typ (host|srflx|prflx|relay)((?: \S{1,255} \S{1,255})*)$/
/** Extensions that say nothing of where somebody is. */
const KEPT = new Set(['tcptype', 'generation', 'ufrag'])

/** One direction of one peer connection. What it does not let pass is counted. */
export class Filter {
  /** Both ends are on the same network. */
  isNear = false
  stopped = 0
  readonly #foundations: string[] = []

  constructor(readonly policy: Privacy) {}

  /** A candidate (`candidate:…`) as it may pass, or `null`. */
  candidate(text: string): string | null {
    const passed = this.#judge(text)
    if (passed === null) this.stopped++
    return passed
  }

  /** An offer or answer as it may pass: without the candidates that may not. */
  description(sdp: string): string {
    if (this.policy === 'open') return sdp
    const lines = sdp.split(/\r?\n/).map((line) => this.#line(line))
    return lines.filter((line) => line !== null).join('\r\n')
  }

  #line(line: string): string | null {
    if (line.startsWith('a=candidate:')) {
      const passed = this.candidate(line.slice(2))
      return passed && `a=${passed}`
    }
    if (line.startsWith('a=remote-candidates')) return null
    // RFC 8840 §4.1.3: that is how a description says that there is no default candidate (yet).
    return line
      .replace(/^c=.*/, 'c=IN IP4 0.0.0.0')
      .replace(/^a=rtcp:.*/, 'a=rtcp:9 IN IP4 0.0.0.0')
      .replace(/^(o=\S+ \S+ \S+ IN) .*/, '$1 IP4 0.0.0.0')
      .replace(/^(m=\S+) [1-9]\d*/, '$1 9')
  }

  #judge(text: string): string | null {
    const [, foundation = '', head, address = '', type, rest = ''] = CANDIDATE.exec(text) ?? []
    const kind = kindOf(address)
    if (kind === 'other') return null
    if (this.policy === 'open') return text
    if (type === 'relay' ? kind === 'mdns' : this.policy === 'private' || (kind === 'local' && !this.isNear)) return null
    if (!this.#foundations.includes(foundation)) this.#foundations.push(foundation)
    const number = this.#foundations.indexOf(foundation) + 1
    const related = type === 'host' ? '' : ` raddr ${address.includes(':') ? '::' : '0.0.0.0'} rport 9`
    const kept = rest.replace(/ (\S+) \S+/g, (pair, name: string) => (KEPT.has(name) ? pair : ''))
    return `candidate:${number} ${head} typ ${type}${related}${kept}`
  }
}

const bare = (host: string): string => host.replace(/[[\]]/g, '').toLowerCase()
const SERVER = /^(?:stuns?|turns?):(\[[\da-f:.]{2,45}\]|[\w.-]{1,255})(:[1-9]\d{0,4})?(?:\?transport=(?:udp|tcp))?$/i

/** What of `iceServers` may be used: those at one of these hosts, each `HOST` or `HOST:PORT`; and the others' hosts. */
export function permitServers(servers: readonly unknown[], hosts: readonly string[]): { permitted: RTCIceServer[]; refused: string[] } {
  const allowed = new Set(hosts.map((host) => (host.split(':').length === 2 ? host.toLowerCase() : bare(host))))
  const refused: string[] = []
  const permitted = (servers as Partial<RTCIceServer>[]).flatMap((server) => {
    const urls = [server.urls].flat().filter((url): url is string => {
      if (url === undefined || typeof url === 'number') return false
      const found = SERVER.exec(String(url))
      const [, named = '?', port = ''] = found && !(Number(found[2]?.slice(1)) > 65_535) ? found : []
      const host = bare(named)
      const isAllowed = allowed.has(host) || allowed.has(host + port)
      if (!isAllowed) refused.push(host)
      return isAllowed
    })
    return urls.length > 0 ? [{ ...server, urls }] : []
  })
  return { permitted, refused }
}
