/* Many presenters in one page, of every kind that is compared. Each clicks now and then and waits for its answer; none
 * of them helps another, because each has a connection of its own. */

import { Connection } from '../../web/src/client/connection.ts'
import { parseLink } from '../../web/src/client/link.ts'

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
const PATIENCE = 15_000

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
    const connection = new Connection(parsed, { kind: 'phone', name: '' }, `wss://${host}/ws`, (event) => {
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
  bench: { slidewire: (links: string[]) => connect('slidewire', links.map(slidewire)), click },
})
