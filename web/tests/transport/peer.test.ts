/* A peer between its filters: what it says, what reaches the browser, and by which way it may connect. */

import { afterEach, expect, test, vi } from 'vitest'
import type { Rules } from '../../src/protocol/generations.ts'
import { Peer } from '../../src/transport/peer.ts'

const LOCAL = 'candidate:1 1 udp 2130706431 192.168.1.7 50000 typ host'
const OUTSIDE = 'candidate:5c1b 1 udp 1694498815 198.51.100.7 50000 typ srflx raddr 192.168.1.7 rport 50000'
const RELAY = 'candidate:0a77 1 udp 16777215 203.0.113.1 50001 typ relay raddr 198.51.100.7 rport 50000'
const ALL = [LOCAL, OUTSIDE, RELAY]
const HEAD = ['v=0', 'o=- 1 2 IN IP4 192.168.1.7', 's=-', 't=0 0', 'm=application 9 UDP/DTLS/SCTP webrtc-datachannel']
const SDP = [...HEAD, 'c=IN IP4 198.51.100.7', ...ALL.map((text) => `a=${text}`), ''].join('\r\n')

/** As much of a browser's as a peer uses. */
class Fake extends EventTarget {
  static made: Fake
  configuration: RTCConfiguration = {}
  remote = ''
  added: (string | undefined)[] = []
  connectionState = 'new'
  constructor(given: RTCConfiguration) {
    super()
    this.configuration = given
    Fake.made = this
  }
  createDataChannel = (): EventTarget => new EventTarget()
  setConfiguration = (given: RTCConfiguration): void => void (this.configuration = given)
  createOffer = async (): Promise<RTCSessionDescriptionInit> => ({ type: 'offer', sdp: SDP })
  setLocalDescription = async (): Promise<void> => {
    for (const text of [...ALL, '', null]) {
      const candidate = text === null ? null : { candidate: text, toJSON: () => ({ candidate: text, sdpMid: '0' }) }
      this.dispatchEvent(Object.assign(new Event('icecandidate'), { candidate }))
    }
  }
  setRemoteDescription = async ({ sdp }: { sdp: string }): Promise<void> => void (this.remote = sdp)
  addIceCandidate = async (candidate?: RTCIceCandidateInit): Promise<void> => void this.added.push(candidate?.candidate)
  close = (): void => undefined
}

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

type Said = { type: string; [field: string]: unknown }
const counted = { candidates: 0, ice_servers: 0 }
const OWN = { iceServers: [{ urls: 'stun:clicker.example:3478' }], ownHost: 'clicker.example', network: '' }

const nothing = (): void => undefined

async function meet(rules: Rules, network?: string): Promise<{ said: Said[]; fake: Fake; texts: string }> {
  vi.stubGlobal('RTCPeerConnection', Fake)
  Object.assign(counted, { candidates: 0, ice_servers: 0 })
  const said: Said[] = []
  const refused = (what: keyof typeof counted, times: number): void => void (counted[what] += times)
  const peer = new Peer({ signal: (message) => void said.push({ ...message }), opened: nothing, pathFound: nothing, frame: nothing, failed: nothing, refused })
  await peer.offer(rules, 1)
  peer.receiveCandidate({ candidate: LOCAL }) // overtakes the answer
  peer.receiveAnswer(SDP, peer.isAt(network))
  for (const candidate of [LOCAL, OUTSIDE, RELAY]) peer.receiveCandidate({ candidate })
  peer.receiveCandidate(null)
  await vi.waitFor(() => expect(Fake.made.added.at(-1)).toBeUndefined())
  await vi.waitFor(() => expect(Fake.made.added.length).toBeGreaterThan(1))
  return { said, fake: Fake.made, texts: JSON.stringify(said) }
}

test('a channel that answers nothing gets few frames until it is heard again; the other one all', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const channels: (EventTarget & { sent: number; send: () => void })[] = []
  vi.stubGlobal('RTCPeerConnection', class extends Fake {
    override createDataChannel = (): EventTarget => {
      const send = (): void => void channel.sent++
      const channel = Object.assign(new EventTarget(), { sent: 0, send })
      channels.push(channel)
      return channel
    }
  })
  const peer = new Peer({ signal: nothing, opened: nothing, pathFound: nothing, frame: nothing, failed: nothing, refused: nothing })
  const [control, bulk] = channels
  if (!control || !bulk) throw new Error('no channels')
  const sends = (milliseconds: number): number[] => {
    const before = [control.sent, bulk.sent] as const
    for (let at = 0; at < milliseconds; at += 10) {
      for (const name of ['control', 'bulk'] as const) peer.send(name, new Uint8Array(60))
      vi.advanceTimersByTime(10)
    }
    return [control.sent - before[0], bulk.sent - before[1]]
  }
  expect(sends(400)).toEqual([40, 40])
  expect(sends(1500)).toEqual([10, 150])
  vi.advanceTimersByTime(600) // nothing was said, and nothing heard
  expect(sends(40)).toEqual([4, 4])
  control.dispatchEvent(new MessageEvent('message', { data: new ArrayBuffer(9) }))
  expect(sends(400)).toEqual([40, 40])
})

test('a private room: relays only, whoever says what', async () => {
  const { fake, texts, said } = await meet({ ...OWN, privacy: 'private', network: 'here' }, 'here')
  expect(fake.configuration.iceTransportPolicy).toBe('relay')
  for (const text of [texts, fake.remote, fake.added.join()]) {
    expect(text).not.toMatch(/192\.168|198\.51/)
    expect(text).toContain('203.0.113.1')
  }
  expect(said.map(({ type }) => type)).toEqual(['offer', 'candidate', 'candidate'])
  expect(said.at(-1)?.['candidate']).toBeNull()
  expect(counted).toEqual({ candidates: 5, ice_servers: 0 })
})

test('this end may ask for relays only in any room, says so, and loosens nothing by not asking', async () => {
  for (const privacy of ['open', 'balanced', undefined]) {
    const { fake, texts, said } = await meet({ ...OWN, privacy, relaysOnly: true, network: 'here' }, 'here')
    expect(fake.configuration.iceTransportPolicy).toBe('relay')
    expect(said[0]).toMatchObject({ type: 'offer', privacy: 'private' })
    for (const text of [texts, fake.remote, fake.added.join()]) expect(text).not.toMatch(/192\.168|198\.51/)
  }
  const { fake, said } = await meet({ ...OWN, privacy: 'private', relaysOnly: false })
  expect(fake.configuration.iceTransportPolicy).toBe('relay')
  expect(said[0]).not.toHaveProperty('privacy')
})

test('by default no local address passes, unless the host is at the same place', async () => {
  const far = await meet({ ...OWN, network: 'here' }, 'there')
  expect(far.fake.configuration.iceTransportPolicy).toBe('all')
  for (const text of [far.texts, far.fake.remote, far.fake.added.join()]) {
    expect(text).not.toContain('192.168')
    expect(text).toContain('198.51.100.7')
  }
  expect(counted.candidates).toBe(3)
  expect(far.said[0]).toMatchObject({ type: 'offer', network: 'here' })

  const near = await meet({ ...OWN, network: 'here' }, 'here')
  expect(near.fake.remote).toContain('192.168.1.7')
  expect(near.fake.added.join()).toContain('192.168.1.7')
  expect(counted.candidates).toBe(0)
  expect((await meet(OWN, '')).fake.remote).not.toContain('192.168')
})

test('an open room tells all, and the word of a later version nothing', async () => {
  const open = await meet({ ...OWN, privacy: 'open' })
  for (const address of ['192.168.1.7', '198.51.100.7', '203.0.113.1']) expect(open.fake.remote).toContain(` ${address} `)
  expect(open.texts).toContain('192.168.1.7')
  expect((await meet({ ...OWN, privacy: 'sealed' })).fake.configuration.iceTransportPolicy).toBe('relay')
})

test('servers of somebody else are not used', async () => {
  const iceServers = ['clicker.example', 'turn.example', 'evil.example'].map((host) => ({ urls: [`stun:${host}:3478`] }))
  const { fake } = await meet({ ...OWN, iceServers, ice_hosts: ['turn.example', 7] })
  expect(fake.configuration.iceServers?.map(({ urls }) => urls)).toEqual([['stun:clicker.example:3478'], ['stun:turn.example:3478']])
  expect(counted.ice_servers).toBe(1)
})
