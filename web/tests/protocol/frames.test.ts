/* Links, records and sealed frames against the vectors that the Python tests read too, and against garbage. */

import { expect, test } from 'vitest'
import { toBase64Url } from '../../src/protocol/bytes.ts'
import { joinToken, parseLink, derivePsk } from '../../src/protocol/links.ts'
import { Assembler, split } from '../../src/protocol/parts.ts'
import { decodeRecords, encodeRecords, type Record } from '../../src/protocol/records.ts'
import { Opener, Sealer } from '../../src/protocol/seal.ts'
import { fromHex, readVectors, seeded, toHex } from '../support/hex.ts'

interface Fields {
  type: Record['type']
  hex?: string
  points?: [number, number][]
  data?: string
  bytes?: string
  number?: number
  total?: number
}
interface Vectors {
  derive: { link_id: string; secret: string; join_token: string; psk: string }[]
  records: (Fields & { hex: string })[]
  malformed: { [name: string]: string }
  skipped: { [name: string]: { hex: string; records: Fields[] } }
  frames: { name: string; session: number; key: string; counter: number; records_hex: string; frame_hex: string }[]
}
const vectors = readVectors<Vectors>('control')

/** The vectors' way of writing a record into ours: points as pairs, a part's `number`, `total` and `data`. */
function record(fields: Fields): Record {
  const { hex: _, points, data, bytes, number, total, ...rest } = fields
  return {
    ...rest,
    ...(points && { points: points.map(([x, y]) => ({ x, y })) }),
    ...(data !== undefined && { index: number, count: total, bytes: fromHex(data) }),
    ...(bytes !== undefined && { bytes: fromHex(bytes) }),
  } as unknown as Record
}

test('what a link derives', async () => {
  expect(vectors.derive.length).toBeGreaterThan(0)
  for (const { link_id, secret, join_token, psk } of vectors.derive) {
    const link = parseLink(link_id, secret)
    if (!link) throw new Error('The vector is not a link.')
    expect(toBase64Url(await joinToken(link))).toBe(join_token)
    expect(toHex(await derivePsk(link))).toBe(psk)
  }
})

test.each([
  ['abcdefgh23', ''],
  ['abcdefgh23', 'AAECAwQFBgcICQoLDA0OD'],
  ['abcdefgh23', 'AAECAwQFBgcICQoLDA0OD*'],
  ['ABCDEFGH23', 'AAECAwQFBgcICQoLDA0ODw'],
  ['abc', 'AAECAwQFBgcICQoLDA0ODw'],
])('%s and %s are not a link', (id, secret) => expect(parseLink(id, secret)).toBeNull())

test.each(vectors.records)('$type reads and writes as $hex', (fields) => {
  expect(toHex(encodeRecords([record(fields)]))).toBe(fields.hex)
  const [decoded, ...others] = decodeRecords(fromHex(fields.hex)) ?? []
  expect(others).toEqual([])
  expect(toHex(encodeRecords(decoded ? [decoded] : []))).toBe(fields.hex)
  if (fields.type !== 'laser') expect(decoded).toEqual(record(fields))
})

test.each(Object.entries(vectors.malformed))('malformed: %s', (_name, hex) => {
  expect(decodeRecords(fromHex(hex))).toBeNull()
})

test.each(Object.entries(vectors.skipped))('skipped: %s', (_name, { hex, records }) => {
  expect(decodeRecords(fromHex(hex))).toEqual(records.map(record))
})

test('decoding is total', () => {
  const random = seeded(1)
  let understood = 0
  for (let round = 0; round < 20_000; round++) {
    const bytes = Uint8Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 12))
    if (decodeRecords(bytes)) understood++
  }
  expect(understood).toBeGreaterThan(0)
})

test.each(vectors.frames)('frame: $name', ({ session, key, counter, records_hex, frame_hex }) => {
  const sealer = new Sealer(session, fromHex(key), counter)
  expect(toHex(sealer.seal(fromHex(records_hex)))).toBe(frame_hex)
  const opener = new Opener(session, fromHex(key))
  expect(toHex(opener.open(fromHex(frame_hex)) ?? new Uint8Array(0))).toBe(records_hex)
  expect(opener.open(fromHex(frame_hex))).toBeNull()
})

test('a frame that was touched anywhere does not open, and does not move the window', () => {
  const key = new Uint8Array(32).fill(9)
  const opener = new Opener(7, key)
  const frame = new Sealer(7, key, 5000).seal(fromHex('01000400000001'))
  for (let index = 0; index < frame.length; index++) {
    const touched = frame.slice()
    touched[index] = (touched[index] ?? 0) ^ 0x40
    expect(opener.open(touched)).toBeNull()
  }
  expect(opener.open(new Sealer(7, key, 1).seal(fromHex('')))).not.toBeNull()
  expect(opener.open(frame)).not.toBeNull()
})

test('frames in any order open once within the window of 1024', () => {
  const key = new Uint8Array(32)
  const sealer = new Sealer(1, key)
  const frames = Array.from({ length: 1100 }, () => sealer.seal(fromHex('')))
  const [oldest, next] = frames
  const opener = new Opener(1, key)
  const opened = frames.toReversed().filter((frame) => opener.open(frame))
  expect(opened.length).toBe(1024)
  expect(frames.some((frame) => opener.open(frame))).toBe(false)
  expect(oldest && opener.open(oldest)).toBeNull()
  expect(next && new Opener(1, key).open(next)).not.toBeNull()
})

test('a direction ends at its last counter', () => {
  const sealer = new Sealer(1, new Uint8Array(32), 0xfffffffe)
  sealer.seal(fromHex(''))
  sealer.seal(fromHex(''))
  expect(() => sealer.seal(fromHex(''))).toThrow('counters')
})

test('parts in any order and repeated make one message', () => {
  const random = seeded(3)
  const message = Uint8Array.from({ length: 50_000 }, () => Math.floor(random() * 256))
  const parts = split(1, 9, message)
  expect([parts.length, split(1, 9, message, 'signaling').length, split(1, 9, message, 'bulk').length]).toEqual([7, 7, 46])
  const assembler = new Assembler()
  for (const cut of [parts, split(1, 9, message, 'bulk')]) {
    const shuffled = [...cut, ...cut.slice(1, 3)].toSorted(() => random() - 0.5)
    const whole = shuffled.map((part) => assembler.add(part)).filter((bytes) => bytes !== null)
    expect(whole).toEqual([message])
  }
  expect(split(0, 0, new Uint8Array(0)).length).toBe(1)
  expect(() => split(0, 0, new Uint8Array(1_048_577))).toThrow('1 MiB')
})

function assemble(stream: number, count: number): Uint8Array[] {
  const assembler = new Assembler()
  const bytes = new Uint8Array(1100)
  const add = (index: number) => assembler.add({ type: 'part', stream, id: 1, index, count, bytes })
  return Array.from({ length: count }, (_, index) => add(index)).filter((whole) => whole !== null)
}

test('a picture may be longer than any other message, and no longer than 4 MiB', () => {
  expect(assemble(1, 3813).map((whole) => whole.length)).toEqual([3813 * 1100])
  expect(assemble(1, 3814)).toEqual([])
  expect(assemble(0, 954)).toEqual([])
})

test('unfinished messages are forgotten, oldest first, and contradicting parts complete nothing', () => {
  const assembler = new Assembler()
  const halves = Array.from({ length: 9 }, (_, id) => split(0, id, new Uint8Array(9000)))
  for (const [first] of halves) if (first) assembler.add(first)
  const finished = halves.toReversed().map(([, second]) => second && assembler.add(second)?.length)
  expect(finished).toEqual([9000, 9000, 9000, 9000, 9000, 9000, 9000, 9000, undefined])
  const part = { type: 'part' as const, stream: 0, id: 1, bytes: new Uint8Array(1) }
  expect(assembler.add({ ...part, index: 1, count: 1 })).toBeNull()
  expect(assembler.add({ ...part, index: 0, count: 0 })).toBeNull()
  expect(assembler.add({ ...part, index: 0, count: 60_000 })).toBeNull()
})
