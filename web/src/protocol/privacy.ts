/* Which addresses one end lets out to the other, and lets in from it: the twin of control/privacy.py, where the table
 * and its reasons stand (also: docs/design/privacy.md), and of slidewire.sdp as far as that needs it: what passes is
 * written anew of what was understood. protocol/vectors/privacy.json is for both. */

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
const GLOBAL_6 = /^[23][\da-f]{3}:/
const TUNNEL_6 = /^(2002:|2001:(0:|:))/

/** An IP address as RFC 5952 has it, an mDNS name as it is, or nothing. */
const usual = (address: string): string =>
  /^[\dA-Fa-f]{8}(-[\dA-Fa-f]{4}){3}-[\dA-Fa-f]{12}\.local$/.test(address) ? address
  : /^[\d.]+$/.test(address) ? (canonical(address) === address ? address : '')
  : /^[\da-f:.]+$/i.test(address) ? canonical(`[${address}]`).slice(1, -1) : ''

/** `other`: no address in its usual notation, and no name that a browser made up for itself. */
export function kindOf(address: string): 'mdns' | 'public' | 'local' | 'other' {
  const read = usual(address)
  if (read.endsWith('l')) return 'mdns'
  const isPublic = read.includes(':') ? GLOBAL_6.test(read) && !TUNNEL_6.test(read) : !LOCAL_4.test(read)
  return !read ? 'other' : isPublic ? 'public' : 'local'
}

// RFC 8839 §5.1. What follows are pairs of a name and a value.
const CANDIDATE =
  /^candidate:([A-Za-z\d+/]{1,32}) (\d{1,3}) (udp|tcp|UDP|TCP) (\d{1,10}) ([!-~]{1,255}) (\d{1,5}) typ (host|srflx|prflx|relay)((?: [!-~]{1,255} [!-~]{1,255})*)$/
/** Extensions that say nothing of where a peer is. */
const KEPT = /^(tcptype (active|passive|so)|generation \d{1,5}|ufrag [A-Za-z\d+/]{4,256})$/
const MEDIA = /^m=(audio|video|application) (\d{1,5}) ([ -~]{5,999})$/
/** What is known, of printable characters. Nothing here depends on the values, so that one parser reads them: the browser's. */
const ATTRIBUTE =
  /^a=(sendrecv|sendonly|recvonly|inactive|rtcp-mux|rtcp-rsize|bundle-only|extmap-allow-mixed|ice-lite|end-of-candidates|(group|msid-semantic|ice-ufrag|ice-pwd|ice-options|fingerprint|setup|mid|msid|sctp-port|max-message-size|rtpmap|fmtp|rtcp-fb|extmap|ssrc|ssrc-group):.+)$/

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
    // RFC 8840 §4.1.3: that is how a description says that there is no default candidate (yet).
    const written = ['v=0', 'o=- 1 1 IN IP4 0.0.0.0', 's=-', 't=0 0']
    let section: RegExpExecArray | null | undefined
    for (const line of sdp.split(/\r?\n/)) {
      if (line.startsWith('m=') || !/^[ -~]*$/.test(line)) {
        const found = MEDIA.exec(line)
        if (line.startsWith('m=')) section = found && Number(found[2]) < 65_536 ? found : null
        if (!found || !section) this.stopped++
        else written.push(`m=${section[1]} ${section[2] === '0' ? 0 : 9} ${section[3]}`, 'c=IN IP4 0.0.0.0')
      } else if (line.startsWith('a=candidate')) {
        const passed = section ? this.candidate(line.slice(2)) : this.#stop()
        if (passed) written.push(`a=${passed}`)
      } else if (section !== null && ATTRIBUTE.test(line)) written.push(line)
    }
    return [...written, ''].join('\r\n')
  }

  #stop(): null {
    this.stopped++
    return null
  }

  #judge(text: string): string | null {
    const [, foundation = '', component, transport, priority, said = '', port, type, rest = ''] = CANDIDATE.exec(text) ?? []
    const kind = kindOf(said)
    // Decimal numbers within their ranges, and without leading zeros.
    const isOk = ([[component, 1, 256], [priority, 0, 2 ** 31 - 1], [port, 1, 65_535]] as const)
      .every(([word, least, most]) => String(Number(word)) === word && Number(word) >= least && Number(word) <= most)
    if (kind === 'other' || !isOk || text.length > 1024) return null
    if (this.policy !== 'open') {
      if (type === 'relay' ? kind === 'mdns' : this.policy === 'private' || (kind === 'local' && !this.isNear)) return null
    }
    const pairs = rest.match(/\S+ \S+/g) ?? []
    const kept = pairs.filter((pair) => KEPT.test(pair))
    if (new Set(pairs.map((pair) => pair.split(' ')[0])).size < pairs.length) return null
    if (!this.#foundations.includes(foundation)) this.#foundations.push(foundation)
    const address = usual(said)
    const related = type === 'host' ? '' : ` raddr ${address.includes(':') ? '::' : '0.0.0.0'} rport 9`
    const head = [this.#foundations.indexOf(foundation) + 1, component, transport, priority, address, port].join(' ')
    return `candidate:${[`${head} typ ${type}${related}`, ...kept].join(' ')}`
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
