/* The records inside a frame (control.md §4), both ways. Decoding is total: any bytes give records or `null`. */

import { type Bytes, concat, view } from './bytes.ts'

export const VERBS = ['next', 'previous', 'first', 'last', 'goto', 'start', 'stop', 'black', 'white'] as const
export type Verb = (typeof VERBS)[number]

export interface Intent {
  verb: Verb
  /** The slide of `goto`, counted from 1; 0 otherwise. */
  argument: number
}

export const STATUSES = ['unknown', 'performed', 'refused', 'duplicate', 'expired', 'failed'] as const
/** `unknown` is never on the wire: it is the presenter's word for silence. */
export type Status = (typeof STATUSES)[number]

// prettier-ignore
export const REASONS = ['none', 'muted', 'role', 'range', 'no_show', 'no_deck', 'focus', 'unsupported', 'at_end',
  'at_start', 'deck_error', 'late', 'revoked', 'unseen'] as const
export type Reason = (typeof REASONS)[number]

/** A laser position as fractions of the slide, from its upper left corner, each between 0 and 1. */
export interface Point {
  x: number
  y: number
}

export type Record =
  | { type: 'ping'; stamp: number }
  | { type: 'pong'; stamp: number; clock: number; version: number }
  | { type: 'intent'; sequence: number; deadline: number; verb: Verb; argument: number }
  | { type: 'receipt'; sequence: number; status: Status; from: number | null; to: number | null; reason: Reason }
  | { type: 'ack' | 'seen' | 'floor'; sequence: number }
  | { type: 'laser'; sequence: number; deadline: number; points: Point[] }
  | { type: 'laser_receipt'; sequence: number; status: Status; reason: Reason }
  | { type: 'part'; stream: number; id: number; index: number; count: number; bytes: Uint8Array }

/** A record is a number, its fields in order with their widths in bytes, and perhaps a tail of its own. A field may name
 * words for its numbers, or read 0 as none. */
interface Field {
  name: string
  width: 1 | 2 | 4
  words?: readonly (string | undefined)[]
  zeroIsNone?: true
}

const u32 = (name: string): Field => ({ name, width: 4 })
const u16 = (name: string): Field => ({ name, width: 2 })
const word = (name: string, words: readonly (string | undefined)[]): Field => ({ name, width: 1, words })
const slide = (name: string): Field => ({ name, width: 2, zeroIsNone: true })

const SEQUENCE = u32('sequence')
const STATUS = word('status', STATUSES)
const REASON = word('reason', REASONS)

const LAYOUT: { [type in Record['type']]: { number: number; fields: Field[] } } = {
  ping: { number: 1, fields: [u32('stamp')] },
  pong: { number: 2, fields: [u32('stamp'), u32('clock'), u16('version')] },
  intent: { number: 3, fields: [SEQUENCE, u32('deadline'), word('verb', [undefined, ...VERBS]), u16('argument')] },
  receipt: { number: 4, fields: [SEQUENCE, STATUS, slide('from'), slide('to'), REASON] },
  ack: { number: 5, fields: [SEQUENCE] },
  seen: { number: 6, fields: [SEQUENCE] },
  floor: { number: 7, fields: [SEQUENCE] },
  laser: { number: 8, fields: [SEQUENCE, u32('deadline')] },
  laser_receipt: { number: 9, fields: [SEQUENCE, STATUS, REASON] },
  part: { number: 10, fields: [{ name: 'stream', width: 1 }, u16('id'), u16('index'), u16('count')] },
}

const BY_NUMBER = new Map(Object.entries(LAYOUT).map(([type, { number, fields }]) => [number, { type, fields }]))

const LASER_POINTS = 16
const SCALE = 65535

function tail(record: Record): Uint8Array {
  if (record.type === 'part') return record.bytes
  if (record.type !== 'laser') return new Uint8Array(0)
  const bytes = new Uint8Array(1 + 4 * record.points.length)
  bytes[0] = record.points.length
  record.points.forEach(({ x, y }, index) => {
    view(bytes).setUint16(1 + 4 * index, Math.round(x * SCALE))
    view(bytes).setUint16(3 + 4 * index, Math.round(y * SCALE))
  })
  return bytes
}

function encodeRecord(record: Record): Bytes {
  const { number, fields } = LAYOUT[record.type]
  const values = record as unknown as { [name: string]: number | string | null }
  const bytes = new Uint8Array(3 + fields.reduce((length, { width }) => length + width, 0))
  const data = view(bytes)
  bytes[0] = number
  let at = 3
  for (const { name, width, words } of fields) {
    const value = values[name]
    const numeric = typeof value === 'string' ? (words?.indexOf(value) ?? 0) : (value ?? 0)
    if (width === 4) data.setUint32(at, numeric)
    else if (width === 2) data.setUint16(at, numeric)
    else data.setUint8(at, numeric)
    at += width
  }
  const rest = tail(record)
  data.setUint16(1, bytes.length - 3 + rest.length)
  return concat(bytes, rest)
}

export const encodeRecords = (records: Record[]): Bytes => concat(...records.map(encodeRecord))

function decodeBody(type: string, fields: Field[], body: Uint8Array): Record | null {
  const record: { [name: string]: unknown } = { type }
  const data = view(body)
  let at = 0
  for (const { name, width, words, zeroIsNone } of fields) {
    if (at + width > body.length) return null
    const value = width === 4 ? data.getUint32(at) : width === 2 ? data.getUint16(at) : data.getUint8(at)
    record[name] = words ? words[value] : zeroIsNone && value === 0 ? null : value
    if (record[name] === undefined) return null
    at += width
  }
  if (type === 'intent' && (record['verb'] === 'goto') !== ((record['argument'] as number) > 0)) return null
  if (type === 'part') record['bytes'] = body.subarray(at)
  if (type === 'laser') {
    const count = body[at++]
    if (count === undefined || count > LASER_POINTS || at + 4 * count > body.length) return null
    record['points'] = Array.from({ length: count }, (_, index) => ({
      x: data.getUint16(at + 4 * index) / SCALE,
      y: data.getUint16(at + 4 * index + 2) / SCALE,
    }))
  }
  return record as unknown as Record
}

/** The records of a frame, without those of unknown type; `null` where the frame is malformed. */
export function decodeRecords(bytes: Uint8Array): Record[] | null {
  const records: Record[] = []
  for (let at = 0; at < bytes.length; ) {
    if (at + 3 > bytes.length) return null
    const end = at + 3 + view(bytes).getUint16(at + 1)
    if (end > bytes.length) return null
    const known = BY_NUMBER.get(bytes[at] ?? 0)
    if (known) {
      const record = decodeBody(known.type, known.fields, bytes.subarray(at + 3, end))
      if (!record) return null
      records.push(record)
    }
    at = end
  }
  return records
}
