/* The records inside a frame (control.md §4), both ways. Decoding is total: any bytes give records or `null`. What only a
 * later version has costs nothing beside it. */

import { type Bytes, concat, view } from './bytes.ts'

export const VERBS = ['next', 'previous', 'first', 'last', 'goto', 'start', 'stop', 'black', 'white'] as const
export type Verb = (typeof VERBS)[number]

export interface Intent {
  verb: Verb
  /** The slide of `goto`, counted from 1; 0 otherwise. */
  argument: number
}

export const STATUSES = ['unknown', 'performed', 'refused', 'duplicate', 'expired', 'failed'] as const
/** `unknown` is never sent: the presenter uses it where no receipt came, or one with a status of a later version. */
export type Status = (typeof STATUSES)[number]

// prettier-ignore
export const REASONS = ['none', 'muted', 'role', 'range', 'no_show', 'no_deck', 'focus', 'unsupported', 'at_end',
  'at_start', 'deck_error', 'late', 'revoked', 'unseen', 'not_admitted', 'slide_unknown', 'rate', 'grabbed', 'modifier'] as const
export type Reason = (typeof REASONS)[number]

/** A laser position as fractions of the slide, from its upper left corner, each between 0 and 1. */
export interface Point {
  x: number
  y: number
}

export type Record =
  | { type: 'ping'; stamp: number }
  | { type: 'pong'; stamp: number; clock: number; version: number }
  /** A verb of a later version is a number. */
  | { type: 'intent'; sequence: number; deadline: number; verb: Verb | number; argument: number }
  | { type: 'receipt'; sequence: number; status: Status; from: number | null; to: number | null; reason: Reason }
  | { type: 'ack' | 'floor'; sequence: number }
  | { type: 'laser'; sequence: number; deadline: number; points: Point[] }
  | { type: 'laser_receipt'; sequence: number; status: Status; reason: Reason }
  | { type: 'part'; stream: number; id: number; index: number; count: number; bytes: Uint8Array }
  | { type: 'introduction' | 'met' | 'unsupported'; bytes: Uint8Array }

/** Each record's number is its place here, from 1; its fields follow in order, each with its width in bytes. */
const LAYOUT = [
  'ping stamp:4',
  'pong stamp:4 clock:4 version:2',
  'intent sequence:4 deadline:4 verb:1 argument:2',
  'receipt sequence:4 status:1 from:2 to:2 reason:1',
  'ack sequence:4',
  '', // reserved
  'floor sequence:4',
  'laser sequence:4 deadline:4',
  'laser_receipt sequence:4 status:1 reason:1',
  'part stream:1 id:2 index:2 count:2',
  'introduction',
  'met',
  'unsupported',
].map((line) => {
  const [type = '', ...fields] = line.split(' ')
  return { type, fields: fields.map((field) => ({ name: field.slice(0, -2), width: Number(field.slice(-1)) })) }
})

/** The words for the numbers of a field. Numbers of other fields stand for themselves. */
const WORDS: { [field: string]: readonly (string | undefined)[] } = {
  verb: [undefined, ...VERBS],
  status: STATUSES,
  reason: REASONS,
}
/** Fields in which 0 means none. */
const SLIDES = new Set(['from', 'to'])

const LASER_POINTS = 16
const SCALE = 65535

const twoBytes = (value: number): number[] => [value >>> 8, value & 255]

function encodeRecord(record: Record): Bytes {
  const number = LAYOUT.findIndex(({ type }) => type === record.type)
  const values = record as unknown as { [name: string]: number | string | null }
  const body: number[] = []
  for (const { name, width } of LAYOUT[number]?.fields ?? []) {
    const value = values[name] ?? 0
    const numeric = typeof value === 'string' ? (WORDS[name]?.indexOf(value) ?? 0) : value
    for (let byte = width - 1; byte >= 0; byte--) body.push(numeric >>> (8 * byte))
  }
  if (record.type === 'laser') {
    const coordinates = record.points.flatMap(({ x, y }) => [x, y])
    body.push(record.points.length, ...coordinates.flatMap((at) => twoBytes(Math.round(at * SCALE))))
  }
  const rest = 'bytes' in record ? record.bytes : new Uint8Array(0)
  return concat(Uint8Array.of(number + 1, ...twoBytes(body.length + rest.length), ...body), rest)
}

export const encodeRecords = (records: Record[]): Bytes => concat(...records.map(encodeRecord))

function decodeBody({ type, fields }: (typeof LAYOUT)[number], body: Uint8Array): Record | null {
  const record: { [name: string]: unknown } = { type }
  const data = view(body)
  let at = 0
  for (const { name, width } of fields) {
    if (at + width > body.length) return null
    let value = 0
    for (const end = at + width; at < end; at++) value = value * 256 + data.getUint8(at)
    const words = WORDS[name]
    // Of a later version: a status is `unknown`, a reason `none`, a verb its number.
    record[name] = words ? (words[value] ?? words[0] ?? value) : value === 0 && SLIDES.has(name) ? null : value
  }
  if (type === 'part' || fields.length === 0) record['bytes'] = body.subarray(at)
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
    const layout = LAYOUT[(bytes[at] as number) - 1]
    if (layout?.type) {
      const record = decodeBody(layout, bytes.subarray(at + 3, end))
      if (!record) return null
      records.push(record)
    }
    at = end
  }
  return records
}
