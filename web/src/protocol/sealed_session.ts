/* Records in, sealed frames out, over whatever paths are up: the part of a session that does not know what the records
 * mean. It answers PINGs, measures round trips, cuts messages into parts, and gathers the records that one drain finds
 * due for a path into one frame. Sans-I/O: `now` is in milliseconds of one monotonic clock. */

import { type Bytes, fromUtf8, milliseconds, serialDifference, utf8 } from './bytes.ts'
import { type FromHost, type FromPresenter, readFromHost } from './messages.ts'
import { Assembler, MESSAGE, type Part, split } from './parts.ts'
import { type Path, type PathKind, PathTable } from './paths.ts'
import { decodeRecords, encodeRecords, type Record } from './records.ts'
import { Opener, Sealer } from './seal.ts'

export interface Transmit {
  type: 'transmit'
  path: string
  data: Bytes
}
export type Arrived = { type: 'message'; message: FromHost } | { type: 'picture'; id: number; data: Uint8Array }

const ORDER: Record['type'][] = ['pong', 'ping', 'ack', 'receipt', 'laser_receipt', 'floor', 'intent', 'laser']
const rank = (record: Record): number => ORDER.indexOf(record.type)

export class SealedSession {
  readonly paths = new PathTable()
  /** Said in every frame until the host has answered it. */
  introduction: Bytes | null = null
  readonly #sealer: Sealer
  readonly #opener: Opener
  readonly #assembler = new Assembler()
  #due = new Map<string, Record[]>()
  readonly #frames: Transmit[] = []
  #nextMessage = 0

  constructor(
    readonly session: number,
    sendKey: Bytes,
    receiveKey: Bytes,
  ) {
    this.#sealer = new Sealer(session, sendKey)
    this.#opener = new Opener(session, receiveKey)
  }

  /** The records of a frame; none where it is not ours, not new or malformed. PINGs are answered here, and a PONG has
   * already updated its path. */
  receive(data: Uint8Array, pathName: string, now: number): Record[] {
    const plaintext = this.#opener.open(data)
    const records = plaintext && decodeRecords(plaintext)
    if (!records) return []
    const path = this.paths.get(pathName)
    if (path) this.paths.received(path)
    for (const record of records) {
      if (!path) break
      if (record.type === 'ping') {
        this.send({ type: 'pong', stamp: record.stamp, clock: 0, version: 0 }, [path])
      } else if (record.type === 'pong') {
        const elapsed = serialDifference(milliseconds(now), record.stamp)
        if (elapsed >= 0 && elapsed < 60_000) this.paths.heardPong(path, elapsed, now)
      }
    }
    return records
  }

  assemble(part: Part): Arrived | null {
    const whole = this.#assembler.add(part)
    if (!whole) return null
    if (part.stream !== MESSAGE) return { type: 'picture', id: part.id, data: whole }
    try {
      const message = readFromHost(JSON.parse(fromUtf8(whole)))
      return message && { type: 'message', message }
    } catch {
      return null
    }
  }

  /** Put a record into the next frame of each of these paths. */
  send(record: Record, paths: Path[]): void {
    for (const { name } of paths) {
      const due = this.#due.get(name)
      if (due) due.push(record)
      else this.#due.set(name, [record])
    }
  }

  /** Send a message by the best path for messages. False: there is none, and the message is not kept. */
  sendMessage(message: FromPresenter, now: number): boolean {
    const path = this.paths.messages(now)
    if (!path) return false
    for (const part of split(MESSAGE, this.#nextMessage, utf8(JSON.stringify(message)), path.kind)) this.#transmit(path.name, [part])
    this.#nextMessage = (this.#nextMessage + 1) & 0xffff
    return true
  }

  pathUp(name: string, kind: PathKind, now: number): void {
    this.paths.up(name, kind, now)
  }

  pathDown(name: string): void {
    this.paths.down(name)
    this.#due.delete(name)
  }

  sendDuePings(now: number): void {
    this.send({ type: 'ping', stamp: milliseconds(now) }, this.paths.duePings(now))
  }

  /** What is sent from here on goes into other frames than what was sent before. */
  endFrame(): void {
    const due = this.#due
    this.#due = new Map()
    for (const [name, records] of due) this.#transmit(name, records.toSorted((a, b) => rank(a) - rank(b)))
  }

  nextFrame(): Transmit | null {
    if (this.#frames.length === 0) this.endFrame()
    return this.#frames.shift() ?? null
  }

  #transmit(path: string, records: Record[]): void {
    const said: Record[] = this.introduction ? [{ type: 'introduction', bytes: this.introduction }, ...records] : records
    this.#frames.push({ type: 'transmit', path, data: this.#sealer.seal(encodeRecords(said)) })
  }
}
