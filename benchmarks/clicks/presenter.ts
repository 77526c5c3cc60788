/* Many presenters in one page, of every kind that is compared. Each clicks now and then and waits for its answer; none
 * of them helps another, because each has a connection of its own. */

import { Peer } from 'peerjs'
import { Connection } from '../../web/src/transport/connection.ts'
import { parseLink } from '../../web/src/protocol/links.ts'

interface Answer {
  status: string
  path: string | null
}
/** Sends one click; tells its answer, whenever that comes. */
type Clicker = (number: number, answered: (answer: Answer) => void) => void

interface Click extends Partial<Answer> {
  ms?: number
  method: string
  presenter: number
  number: number
  /** Milliseconds since 1970. */
  at: number
}

const clickers = new Map<string, Clicker[]>()
/** Chromium opens one WebSocket after another to the same address, four round trips each. */
const PATIENCE = 60_000

function within<T>(what: string, milliseconds: number, work: Promise<T>): Promise<T> {
  const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Error(`${what}: not in time`)), milliseconds))
  return Promise.race([work, late])
}

/** Slidewire as a speaker has it: the presenter page's own client. */
function slidewire(link: string): Promise<Clicker> {
  const { pathname, host, hash } = new URL(link)
  const parsed = parseLink(pathname.slice(3), hash.slice(1))
  if (!parsed) throw new Error('not a link')
  const waiting = new Map<number, (answer: Answer) => void>()
  return new Promise((resolve, reject) => {
    const connection = new Connection(parsed, { kind: 'phone', name: '', device: pathname }, `wss://${host}/ws`, (event) => {
      if (event.type === 'trouble' && event.final) reject(new Error(event.code))
      if (event.type === 'standing' && event.standing === 'direct') {
        resolve((number, answered) => {
          waiting.set(number, answered)
          connection.submit({ verb: 'goto', argument: number })
        })
      }
      if (event.type === 'receipt') {
        const { intent, status, path } = event.receipt
        waiting.get(intent.argument)?.({ status, path })
        waiting.delete(intent.argument)
      }
    })
    void connection.start()
  })
}

/** A click over anything that carries texts and gives them back. */
function echoed(send: (text: string) => void): { clicker: Clicker; receive: (text: string) => void } {
  const waiting = new Map<number, (answer: Answer) => void>()
  return {
    clicker: (number, answered) => {
      waiting.set(number, answered)
      send(String(number))
    },
    receive: (text) => {
      waiting.get(Number(text))?.({ status: 'performed', path: null })
      waiting.delete(Number(text))
    },
  }
}

/** A data channel as one gets it without asking for anything: ordered and reliable. */
class ReliableChannel {
  readonly connection = new RTCPeerConnection()
  readonly ready: Promise<Clicker>

  constructor() {
    const channel = this.connection.createDataChannel('clicks')
    const { clicker, receive } = echoed((text) => channel.send(text))
    channel.addEventListener('message', ({ data }) => receive(data))
    this.ready = new Promise((resolve) => {
      channel.addEventListener('open', () => resolve(clicker))
    })
  }

  async offer(): Promise<string> {
    const gathered = new Promise<void>((done) => {
      this.connection.addEventListener('icegatheringstatechange', () => {
        if (this.connection.iceGatheringState === 'complete') done()
      })
    })
    await this.connection.setLocalDescription()
    await gathered
    return this.connection.localDescription?.sdp ?? ''
  }
}

let reliable: ReliableChannel[] = []

async function offers(count: number): Promise<string[]> {
  reliable = Array.from({ length: count }, () => new ReliableChannel())
  return Promise.all(reliable.map((channel) => channel.offer()))
}

async function answers(all: string[]): Promise<void> {
  const set = reliable.map(({ connection }, at) => connection.setRemoteDescription({ type: 'answer', sdp: all[at] ?? '' }))
  await Promise.all(set)
  await connect('channel', reliable.map(({ ready }) => ready))
}

/** PeerJS as its guide shows it: `peer.connect(id)`. */
function peerjs(host: string, number: number): Promise<Clicker> {
  const peer = new Peer(`presenter-${number}`, { host, port: 9000, path: '/', secure: true, config: { iceServers: [] } })
  return new Promise((resolve, reject) => {
    peer.on('error', reject)
    peer.on('open', () => {
      const connection = peer.connect('host')
      const { clicker, receive } = echoed((text) => void connection.send(text))
      connection.on('data', (text) => receive(String(text)))
      connection.on('open', () => resolve(clicker))
    })
  })
}

function relay(url: string): Promise<Clicker> {
  const socket = new WebSocket(`${url}/click`)
  const { clicker, receive } = echoed((text) => socket.send(text))
  socket.addEventListener('message', ({ data }) => receive(data))
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => resolve(clicker))
    socket.addEventListener('error', reject)
  })
}

const times = <T>(count: number, make: (number: number) => T): T[] => Array.from({ length: count }, (_, number) => make(number))

async function connect(method: string, makers: Promise<Clicker>[]): Promise<void> {
  clickers.set(method, await within(method, PATIENCE, Promise.all(makers)))
}

/** Every presenter of every method clicks `each` times, at moments of its own. */
async function click(each: number, shortest: number, longest: number, first: number, patience: number): Promise<Click[]> {
  const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds))
  const clicks: Click[] = []
  const one = async (method: string, presenter: number, clicker: Clicker) => {
    await pause(Math.random() * longest)
    for (let number = first; number < first + each; number++) {
      const entry: Click = { method, presenter, number, at: Date.now() }
      clicks.push(entry)
      const start = performance.now()
      clicker(number, (answer) => Object.assign(entry, answer, { ms: performance.now() - start }))
      await pause(shortest + Math.random() * (longest - shortest))
    }
  }
  const all = [...clickers].flatMap(([method, each]) => each.map((clicker, number) => one(method, number, clicker)))
  await Promise.all(all)
  const end = performance.now() + patience
  while (performance.now() < end && clicks.some(({ ms }) => ms === undefined)) await pause(50)
  return clicks
}

Object.assign(globalThis, {
  bench: {
    slidewire: (links: string[]) => connect('slidewire', links.map(slidewire)),
    offers,
    answers,
    peerjs: (host: string, count: number) => connect('peerjs', times(count, (number) => peerjs(host, number))),
    relay: (url: string, count: number) => connect('relay', times(count, () => relay(url))),
    click,
  },
})
