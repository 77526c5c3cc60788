/* Sealed frames (control.md §3): one key and one counter per direction. A frame that was altered, made up, replayed or
 * is older than the window opens to nothing. */

import { type Bytes, concat, view } from './bytes.ts'
import { decrypt, encrypt } from './chacha.ts'

export const HELLO = 1
export const WELCOME = 2
export const SEALED = 3
export const SESSION_UNKNOWN = 4

const HEADER = 9
const TAG = 16
const WINDOW = 1024
const LAST_COUNTER = 0xffffffff

function nonce(counter: number): Bytes {
  const bytes = new Uint8Array(12)
  view(bytes).setUint32(4, counter, true) // the counter's upper four bytes are always zero
  return bytes
}

/** The session a sealed frame or a "session unknown" names; `null` for anything else. */
export function frameSession(frame: Uint8Array): number | null {
  const sealed = frame[0] === SEALED && frame.length >= HEADER + TAG
  return sealed || (frame[0] === SESSION_UNKNOWN && frame.length >= 5) ? view(frame).getUint32(1) : null
}

/** One direction's way out. */
export class Sealer {
  constructor(
    private readonly session: number,
    private readonly key: Bytes,
    private counter = 0,
  ) {}

  seal(records: Bytes): Bytes {
    if (this.counter > LAST_COUNTER) throw new Error('out of counters')
    const header = new Uint8Array(HEADER)
    header[0] = SEALED
    view(header).setUint32(1, this.session)
    view(header).setUint32(5, this.counter)
    return concat(header, encrypt(this.key, nonce(this.counter++), header, records))
  }
}

/** One direction's way in. */
export class Opener {
  #highest = -1
  /** Slot `counter % WINDOW` holds the newest counter seen there: within the window no two counters share a slot. */
  readonly #seen = new Float64Array(WINDOW).fill(-1)

  constructor(
    private readonly session: number,
    private readonly key: Bytes,
  ) {}

  /** The records, or `null` where the frame is not a new one of this session. */
  open(frame: Uint8Array): Bytes | null {
    if (frame[0] !== SEALED || frameSession(frame) !== this.session) return null
    const counter = view(frame).getUint32(5)
    if (counter <= this.#highest - WINDOW || this.#seen[counter % WINDOW] === counter) return null
    const records = decrypt(this.key, nonce(counter), frame.subarray(0, HEADER), frame.subarray(HEADER))
    if (!records) return null
    this.#seen[counter % WINDOW] = counter
    this.#highest = Math.max(this.#highest, counter)
    return records
  }
}
