/* Messages larger than a frame travel as PARTs and are put together again (control.md §7). Both ways are total: a part
 * that contradicts what came before it throws the unfinished message away, nothing else. */

import { concat } from './bytes.ts'
import type { PathKind } from './paths.ts'
import type { Record } from './records.ts'

export type Part = Extract<Record, { type: 'part' }>

export const MESSAGE = 0
export const PICTURE = 1

const PART_BYTES = 8192
/** What fits into one packet: by `bulk`, where nothing more urgent could pass a part of which half is out. */
const SMALL_PART_BYTES = 1100
const MOST_PARTS = 1024
const MESSAGE_BYTES = 1 << 20
const MOST_PICTURE_PARTS = 4096
/** Of a picture for which so much was asked. */
const PICTURE_BYTES = 1 << 22
/** Unfinished messages kept at once: the oldest goes when another begins. */
const UNFINISHED = 8

export function split(stream: number, id: number, message: Uint8Array, by: PathKind = 'signaling'): Part[] {
  const size = by === 'bulk' ? SMALL_PART_BYTES : PART_BYTES
  if (message.length > MESSAGE_BYTES) throw new Error('over 1 MiB')
  const count = Math.max(1, Math.ceil(message.length / size))
  return Array.from({ length: count }, (_, index) => {
    const bytes = message.subarray(index * size, (index + 1) * size)
    return { type: 'part', stream, id, index, count, bytes }
  })
}

export class Assembler {
  readonly #unfinished = new Map<number, { pieces: (Uint8Array | undefined)[]; missing: number; length: number }>()

  /** The whole message when this part was its last, else `null`. */
  add(part: Part): Uint8Array | null {
    const { stream, id, index, count, bytes } = part
    if (index >= count || bytes.length > PART_BYTES || count > (stream === PICTURE ? MOST_PICTURE_PARTS : MOST_PARTS)) return null
    const key = stream * 0x10000 + id
    let message = this.#unfinished.get(key)
    if (message?.pieces.length !== count) {
      this.#unfinished.delete(key)
      message = { pieces: Array.from({ length: count }), missing: count, length: 0 }
      this.#unfinished.set(key, message)
      if (this.#unfinished.size > UNFINISHED) {
        const [oldest] = this.#unfinished.keys()
        this.#unfinished.delete(oldest ?? key)
      }
    }
    if (message.pieces[index]) return null
    message.pieces[index] = bytes
    message.length += bytes.length
    if (message.length > (stream === PICTURE ? PICTURE_BYTES : MESSAGE_BYTES)) {
      this.#unfinished.delete(key)
      return null
    }
    if (--message.missing > 0) return null
    this.#unfinished.delete(key)
    return concat(...message.pieces.map((piece) => piece ?? new Uint8Array(0)))
  }
}
