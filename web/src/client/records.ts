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

export interface WirePoint {
  x: number
  y: number
}

export type Record =
  | { type: 'ping'; stamp: number }
  | { type: 'pong'; stamp: number; clock: number; version: number }
  | { type: 'intent'; sequence: number; deadline: number; verb: number; argument: number }
  | { type: 'receipt'; sequence: number; status: number; from: number; to: number; reason: number }
  | { type: 'ack' | 'seen' | 'floor'; sequence: number }
  | { type: 'laser'; sequence: number; deadline: number; points: WirePoint[] }
  | { type: 'laser_receipt'; sequence: number; status: number; reason: number }
  | { type: 'part'; stream: number; id: number; index: number; count: number; bytes: Uint8Array }

/** A record is a number, its fields in order with their widths in bytes, and perhaps a tail of its own. */
// prettier-ignore
const LAYOUT: { [type in Record['type']]: { number: number; fields: [name: string, width: 1 | 2 | 4][] } } = {
  ping: { number: 1, fields: [['stamp', 4]] },
  pong: { number: 2, fields: [['stamp', 4], ['clock', 4], ['version', 2]] },
  intent: { number: 3, fields: [['sequence', 4], ['deadline', 4], ['verb', 1], ['argument', 2]] },
  receipt: { number: 4, fields: [['sequence', 4], ['status', 1], ['from', 2], ['to', 2], ['reason', 1]] },
  ack: { number: 5, fields: [['sequence', 4]] },
  seen: { number: 6, fields: [['sequence', 4]] },
  floor: { number: 7, fields: [['sequence', 4]] },
  laser: { number: 8, fields: [['sequence', 4], ['deadline', 4]] },
  laser_receipt: { number: 9, fields: [['sequence', 4], ['status', 1], ['reason', 1]] },
  part: { number: 10, fields: [['stream', 1], ['id', 2], ['index', 2], ['count', 2]] },
}

const BY_NUMBER = new Map(Object.entries(LAYOUT).map(([type, { number, fields }]) => [number, { type, fields }]))

function tail(record: Record): Uint8Array {
  if (record.type === 'part') return record.bytes
  if (record.type !== 'laser') return new Uint8Array(0)
  const bytes = new Uint8Array(1 + 4 * record.points.length)
  bytes[0] = record.points.length
  record.points.forEach((point, index) => {
    view(bytes).setUint16(1 + 4 * index, point.x)
    view(bytes).setUint16(3 + 4 * index, point.y)
  })
  return bytes
}

export function encodeRecord(record: Record): Bytes {
  const { number, fields } = LAYOUT[record.type]
  const values = record as unknown as { [name: string]: number }
  const bytes = new Uint8Array(3 + fields.reduce((length, [, width]) => length + width, 0))
  bytes[0] = number
  let at = 3
  for (const [name, width] of fields) {
    const value = values[name] ?? 0
    if (width === 4) view(bytes).setUint32(at, value)
    else if (width === 2) view(bytes).setUint16(at, value)
    else bytes[at] = value
    at += width
  }
  const rest = tail(record)
  view(bytes).setUint16(1, bytes.length - 3 + rest.length)
  return concat(bytes, rest)
}

export const encodeRecords = (records: Record[]): Bytes => concat(...records.map(encodeRecord))

function decodeBody(type: string, fields: [string, 1 | 2 | 4][], body: Uint8Array): Record | null {
  const record: { [name: string]: unknown } = { type }
  const data = view(body)
  let at = 0
  for (const [name, width] of fields) {
    if (at + width > body.length) return null
    record[name] = width === 4 ? data.getUint32(at) : width === 2 ? data.getUint16(at) : data.getUint8(at)
    at += width
  }
  if (type === 'part') record['bytes'] = body.subarray(at)
  if (type === 'laser') {
    const count = body[at++]
    if (count === undefined || at + 4 * count > body.length) return null
    record['points'] = Array.from({ length: count }, (_, index) => ({
      x: data.getUint16(at + 4 * index),
      y: data.getUint16(at + 4 * index + 2),
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
