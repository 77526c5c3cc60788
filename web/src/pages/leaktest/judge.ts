/* What was found, and what it means. Addresses are looked for as text in everything that a page gets to see, so that it
 * does not matter in which field one stands. Nothing here knows a document or a peer connection. */

import { Filter, kindOf, type Privacy } from '../../protocol/privacy.ts'

/** Everything that one attempt brought to light. */
export interface Probe {
  candidates: string[]
  /** Descriptions and statistics, as text. */
  text: string
  failed?: string
}

export interface Finding {
  what: string
  found: string[]
  passed: boolean
  why: string
}

const WORDS = /(?<![\d.])\d+(?:\.\d+){3}(?![\d.])|[\da-f:]*:[\da-f:.]+/gi
const NOWHERE = new Set(['0.0.0.0', '::', '127.0.0.1', '::1'])

/** Plain addresses; what is written in another way is none. */
export function addressesIn(text: string): string[] {
  const words = (text.match(WORDS) ?? []).filter((word) => /[.:].*[.:]/.test(word) && kindOf(word) !== 'other')
  return [...new Set(words.map((word) => word.toLowerCase()))].filter((word) => !NOWHERE.has(word))
}

const typed = (probe: Probe, type: string): string[] =>
  probe.candidates.filter((text) => text.includes(` typ ${type}`)).map((text) => text.split(' ')[4] ?? '')

/** `seen`: the address from which the server sees this browser, which every server sees. */
export function judge(all: Probe, relayOnly: Probe, pair: Probe, seen: string): Finding[] {
  const relays = [...typed(all, 'relay'), ...typed(relayOnly, 'relay')]
  const notRelays = (addresses: string[]): string[] => addresses.filter((address) => !relays.includes(address))
  const local = (texts: string): string[] => notRelays(addressesIn(texts).filter((address) => kindOf(address) === 'local' && address !== seen))
  const names = all.candidates.filter((text) => / \S+\.local /.test(text))
  const hosts = typed(all, 'host').filter((address) => kindOf(address) !== 'mdns' && address !== seen)
  const outside = notRelays(typed(all, 'srflx')).filter((address) => address !== seen)
  const six = notRelays(addressesIn(all.candidates.join('\n') + all.text)).filter((address) => address.includes(':') && address !== seen)
  const hidden = local(all.text)
  const statistics = notRelays(addressesIn(pair.text)).filter((address) => address !== seen)
  const told = notRelays(addressesIn(relayOnly.candidates.join('\n') + relayOnly.text))
  return [
    finding('Addresses of your network cards (host candidates)', hosts, names.length > 0 ? 'They are hidden behind random names (mDNS).' : 'None are told.'),
    finding('The address you have outside (STUN)', outside, typed(all, 'srflx').length > 0 ? 'It is the one that every server sees.' : 'None is told.', 'It is another one than the server sees: WebRTC goes around your VPN or proxy.'),
    finding('IPv6', six, 'None but what the server sees.'),
    finding('Descriptions (c= and raddr) and statistics', hidden, 'No local address in them.'),
    finding('Two connections of this page to each other, and their statistics', statistics, pair.failed ?? 'No address in them.'),
    finding('A page that asks for relays only', told, relays.length > 0 ? 'Nothing but the relay is told.' : 'Nothing is told.'),
  ]
}

function finding(what: string, found: string[], why: string, otherwise = 'A page that you open can read this.'): Finding {
  return { what, found: [...new Set(found)], passed: found.length === 0, why: found.length === 0 ? why : otherwise }
}

/** What the other end of a room would be told, as the room's policy lets it pass. */
export function learnt(policy: Privacy, all: Probe, relayOnly: Probe): Finding {
  const filter = new Filter(policy)
  const gathered = policy === 'private' ? relayOnly : all
  const passed = gathered.candidates.flatMap((text) => filter.candidate(text) ?? [])
  const relays = typed(gathered, 'relay')
  const addresses = addressesIn(passed.join('\n'))
  const told = addresses.map((address) => (relays.includes(address) ? `${address} (the relay's)` : address))
  const kept = addresses.filter((address) => !relays.includes(address) && (policy === 'private' || kindOf(address) === 'local'))
  const ok = policy === 'open' || kept.length === 0
  const why = policy === 'open' ? 'It promises nothing.' : ok ? 'It keeps what it promises.' : 'This should not be told.'
  return { what: policy, found: told, passed: ok, why }
}

const REMEDIES: { [browser: string]: string } = {
  chromium:
    'Chrome, Edge, Brave, Opera: install the leak shield (the folder web/extension of Slidewire), or let your administrator set the policy WebRtcIPHandling to "disable_non_proxied_udp". Brave has it in Settings, Privacy: WebRTC IP handling.',
  firefox:
    'Firefox: install the leak shield, or set in about:config media.peerconnection.ice.obfuscate_host_addresses to true and media.peerconnection.ice.no_host to false (with it, statistics tell local addresses); media.peerconnection.ice.proxy_only leaves pages nothing but what goes through a proxy.',
  safari: 'Safari: leave "WebRTC" features as they are, and camera and microphone not allowed for pages that do not need them: with either allowed, local addresses are told.',
}

export function remedies(findings: Finding[], agent: string): string[] {
  if (findings.every(({ passed }) => passed)) return []
  const mine = agent.includes('Firefox') ? 'firefox' : agent.includes('Chrom') ? 'chromium' : 'safari'
  const list = [REMEDIES[mine] as string]
  if (findings[1]?.passed === false || findings[2]?.passed === false) {
    list.push('VPN: let it take IPv6 as well, or switch IPv6 off; switch its kill switch on; an extension that is only a proxy carries no UDP, so take the program instead.')
  }
  list.push('In Slidewire: a host started with --privacy private keeps every address from the other end, whatever the browser.')
  return list
}
