/* The leak test: tries what a hostile page would try, and shows what it got. */

import { joinToken, parseLink } from '../../protocol/links.ts'
import { toBase64Url } from '../../protocol/bytes.ts'
import { find, setAttribute, setText } from '../../ui/dom.ts'
import { type Finding, judge, learnt, type Probe, remedies } from './judge.ts'

const GATHERS_WITHIN = 8000
const JOINS_WITHIN = 8000

interface Seen {
  address: string
  stun: string[]
}

/** From where the server sees us, and its STUN server. */
async function ask(): Promise<Seen> {
  const answer = await fetch('/leaktest/seen', { cache: 'no-store' })
  return (await answer.json()) as Seen
}

/** The servers of a room, if its link stands behind the `#`. */
async function serversOfRoom(): Promise<RTCIceServer[]> {
  const [id = '', secret = ''] = location.hash.slice(1).split('.')
  const link = parseLink(id, secret)
  if (!link) return []
  const join = { type: 'join', v: 1, link: link.id, token: toBase64Url(await joinToken(link)) }
  const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/ws`)
  return new Promise((resolve) => {
    const end = (servers: RTCIceServer[]): void => {
      if (socket.readyState === WebSocket.OPEN) socket.send('{"type":"leave"}')
      resolve(servers)
    }
    socket.addEventListener('open', () => socket.send(JSON.stringify(join)))
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(String(data)) as { type: string; ice_servers?: RTCIceServer[] }
      if (message.type === 'joined') resolve(message.ice_servers ?? []) // a login ends with its place in the room
      if (message.type === 'error') end([])
    })
    socket.addEventListener('error', () => end([]))
    setTimeout(() => end([]), JOINS_WITHIN)
  })
}

async function statistics(peer: RTCPeerConnection): Promise<string> {
  const reports = (await peer.getStats()) as unknown as Map<string, unknown>
  return JSON.stringify([...reports.values()])
}

/** Gathers until there is no more. */
async function gather(iceServers: RTCIceServer[], iceTransportPolicy: RTCIceTransportPolicy): Promise<Probe> {
  const candidates: string[] = []
  let peer: RTCPeerConnection
  try {
    peer = new RTCPeerConnection({ iceServers, iceTransportPolicy })
  } catch (error) {
    return { candidates, text: '', failed: String(error) }
  }
  const done = new Promise((resolve) => {
    peer.addEventListener('icecandidate', ({ candidate }) => {
      if (candidate?.candidate) candidates.push(candidate.candidate)
      if (candidate === null) resolve(null)
    })
    setTimeout(resolve, GATHERS_WITHIN)
  })
  peer.createDataChannel('')
  await peer.setLocalDescription(await peer.createOffer())
  await done
  const text = `${peer.localDescription?.sdp}\n${await statistics(peer)}`
  peer.close()
  return { candidates, text }
}

/** Connects two of its own, and looks what their statistics say: also of whom only a check has come from. */
async function connectPair(): Promise<Probe> {
  const ends = [new RTCPeerConnection(), new RTCPeerConnection()] as const
  const [one, two] = ends
  one.addEventListener('icecandidate', ({ candidate }) => void two.addIceCandidate(candidate ?? undefined).catch(() => undefined))
  const channel = one.createDataChannel('')
  const open = new Promise<boolean>((resolve) => {
    channel.addEventListener('open', () => resolve(true))
    setTimeout(() => resolve(false), GATHERS_WITHIN)
  })
  await one.setLocalDescription(await one.createOffer())
  await two.setRemoteDescription(one.localDescription as RTCSessionDescription)
  await two.setLocalDescription(await two.createAnswer())
  // Candidates go one way only: what the second knows of the first is what it was told, the other way what it saw.
  await one.setRemoteDescription(two.localDescription as RTCSessionDescription)
  const opened = await open
  const text = (await Promise.all(ends.map(statistics))).join('\n')
  for (const end of ends) end.close()
  return opened ? { candidates: [], text } : { candidates: [], text, failed: 'They could not connect; no address was told.' }
}

function row(table: HTMLElement, { what, found, passed, why }: Finding): void {
  const cells = [what, found.length > 0 ? found.join(', ') : '–', `${passed ? 'passed' : 'leaks'}: ${why}`].map((text) => {
    const cell = document.createElement('td')
    setText(cell, text)
    return cell
  })
  setAttribute(cells[2] as HTMLElement, 'data-passed', String(passed))
  const line = document.createElement('tr')
  line.append(...cells)
  table.append(line)
}

function say(verdict: 'passed' | 'failed', text: string): void {
  setText(find('verdict'), text)
  setAttribute(find('verdict'), 'data-verdict', verdict)
}

async function main(): Promise<void> {
  const seen = await ask()
  if (typeof RTCPeerConnection === 'undefined') {
    say('passed', 'This browser has no WebRTC, so no page learns anything by it. Slidewire works through its server here.')
    return
  }
  const ofRoom = await serversOfRoom()
  find('without').hidden = ofRoom.length > 0
  const servers = ofRoom.length > 0 ? ofRoom : seen.stun.map((urls) => ({ urls }))
  const [all, relayOnly, pair] = await Promise.all([gather(servers, 'all'), gather(servers, 'relay'), connectPair()])
  const findings = judge(all, relayOnly, pair, seen.address)
  for (const finding of findings) row(find('tried'), finding)
  for (const policy of ['open', 'balanced', 'private'] as const) row(find('policies'), learnt(policy, all, relayOnly))
  setText(find('server'), `The server sees you at ${seen.address}, and tells that to nobody.`)
  const leaks = findings.filter(({ passed }) => !passed)
  if (leaks.length === 0) say('passed', 'Passed: a page learns nothing of where you are but what every server sees.')
  else say('failed', `Failed: any page that you open learns ${[...new Set(leaks.flatMap(({ found }) => found))].join(', ')}.`)
  const list = remedies(findings, navigator.userAgent)
  find('remedies').hidden = list.length === 0
  for (const text of list) {
    const item = document.createElement('li')
    setText(item, text)
    find('remedy-list').append(item)
  }
}

main().catch((error: unknown) => say('failed', `The test itself failed, so nothing is known: ${String(error)}`))
