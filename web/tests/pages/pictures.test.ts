/* Which pictures a page asks for, in which size and order: on a good network, on a narrow one, and when none comes. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { coarseFirst } from '../../src/pages/deck/order.ts'
import { Pictures } from '../../src/ui/pictures.ts'

const [WIDTH, MIB] = [3840, 1 << 20]
let asked: { slide: number; width: number; most: number }[]
let pictures: Pictures

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('createImageBitmap', async (blob: Blob) => {
    if (blob.size === 13) throw new Error('no picture')
    return { width: blob.size, height: 1, close: () => undefined }
  })
  asked = []
  pictures = new Pictures(
    (slide, width, most) => asked.push({ slide, width, most }) - 1,
    () => undefined,
    coarseFirst,
  )
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** What was asked for last has come, after so many milliseconds. */
async function comes(bytes: number, after: number): Promise<void> {
  const id = asked.length - 1
  await vi.advanceTimersByTimeAsync(after)
  pictures.arrived(id, new Uint8Array(bytes))
  await vi.advanceTimersByTimeAsync(0)
}

const last = (): string => {
  const { slide, width, most } = asked.at(-1) ?? { slide: 0, width: 0, most: 0 }
  return `${slide} ${width} ${most}`
}

/** Photos that would have so many bytes, on a network that carries so many in a millisecond. */
async function photos(bytes: number, rate: number, count: number): Promise<string[]> {
  const order = []
  for (let index = 0; index < count; index++) {
    order.push(last())
    const coming = Math.min(bytes, asked.at(-1)?.most ?? 0)
    const requests = asked.length
    await comes(coming, 20 + coming / rate)
    if (asked.length === requests) break
  }
  return order
}

test('on a good network only the first picture has a coarse one before it', async () => {
  pictures.want([1, 2], WIDTH)
  expect(await photos(3 * MIB, 10_000, 9)).toEqual([
    '1 960 32768',
    `1 3840 ${2 * MIB}`,
    `1 3840 ${4 * MIB}`,
    `2 3840 ${4 * MIB}`,
  ])
  pictures.want([3, 4, 2], WIDTH)
  expect(last()).toBe(`3 3840 ${4 * MIB}`)
})

test('on 1 Mbit/s a coarse picture of this slide and the next comes first, and the finest one last', async () => {
  pictures.want([5, 6, 4], WIDTH)
  const order = await photos(3 * MIB, 125, 12)
  expect(order.slice(0, 2)).toEqual(['5 960 32768', '6 960 32768'])
  expect(order.slice(2, 4)).toEqual(['5 3840 262144', '6 3840 262144'])
  expect(order.slice(4)).toEqual(['4 960 32768', '4 3840 262144', `5 3840 ${4 * MIB}`])
})

test('what is small anyway is asked for once', async () => {
  pictures.want([1], WIDTH)
  await comes(5000, 100)
  expect(last()).toBe('1 3840 65536')
  await comes(15_000, 200)
  expect(asked.length).toBe(2)
})

test('a tap waits for no picture of another slide', async () => {
  pictures.want([1, 2], WIDTH)
  await photos(3 * MIB, 125, 4)
  expect(last()).toBe(`1 3840 ${4 * MIB}`)
  pictures.want([9, 10], WIDTH)
  expect(last()).toBe('9 960 32768')
  pictures.want([9, 10], WIDTH)
  expect(last()).toBe('9 960 32768')
})

test('what does not come is asked for again, smaller, and is taken if it comes late', async () => {
  pictures.want([1], WIDTH)
  await comes(20_000, 100)
  expect(last()).toBe('1 3840 262144')
  await vi.advanceTimersByTimeAsync(4900)
  pictures.want([1], WIDTH)
  expect(asked.length).toBe(2)
  await vi.advanceTimersByTimeAsync(4000)
  pictures.want([1], WIDTH)
  expect([asked.length, pictures.failures(1), last()]).toEqual([3, 1, '1 1920 131072'])
  pictures.arrived(1, new Uint8Array(200_000))
  await vi.advanceTimersByTimeAsync(0)
  expect(pictures.get(1)?.width).toBe(200_000)
})

test('a finer picture is not replaced by a coarser one that comes later', async () => {
  pictures.want([1], WIDTH)
  await comes(20_000, 10)
  pictures.arrived(1, new Uint8Array(900_000))
  await vi.advanceTimersByTimeAsync(0)
  pictures.arrived(0, new Uint8Array(20_000))
  await vi.advanceTimersByTimeAsync(0)
  expect(pictures.get(1)?.width).toBe(900_000)
})

test('what a host refuses is asked for again after a while, smaller', async () => {
  pictures.want([1], WIDTH)
  await comes(20_000, 10)
  const { length } = asked
  pictures.noPicture(length - 1, 'too_large')
  for (const width of [1920, 960]) {
    pictures.want([1], WIDTH)
    expect(asked.length).toBe(length + (width === 1920 ? 0 : 1))
    await vi.advanceTimersByTimeAsync(5001)
    pictures.want([1], WIDTH)
    expect(asked.at(-1)?.width).toBe(width)
    pictures.noPicture(asked.length - 1, 'unavailable')
  }
})

test('what is overtaken is asked for again at once', () => {
  pictures.want([1], WIDTH)
  pictures.noPicture(0, 'overtaken')
  pictures.want([1], WIDTH)
  expect([asked.length, pictures.failures(1)]).toEqual([2, 0])
})

test('what is no picture is as if none had come', async () => {
  pictures.want([1], WIDTH)
  await comes(13, 10)
  expect([pictures.get(1), pictures.failures(1)]).toEqual([undefined, 1])
})

test('a new session answers nothing of the old one, and everything is asked for again', async () => {
  pictures.want([1], WIDTH)
  pictures.forgetRequests()
  pictures.want([1], WIDTH)
  expect(asked.length).toBe(2)
  pictures.arrived(0, new Uint8Array(100))
  await vi.advanceTimersByTimeAsync(0)
  expect(pictures.get(1)).toBeUndefined()
})

test('pictures of another deck are not shown', async () => {
  pictures.ofDeck('one')
  pictures.want([1], WIDTH)
  await comes(20_000, 10)
  expect(pictures.get(1)?.width).toBe(20_000)
  pictures.ofDeck('two')
  expect(pictures.get(1)).toBeUndefined()
})

test('a good network that needs long for a photo gets coarse ones first, too', async () => {
  pictures.want([1], WIDTH)
  await comes(32_000, 10)
  await comes(3 * MIB, 1200)
  pictures.want([7, 8], WIDTH)
  expect(last()).toBe('7 960 32768')
  await comes(32_000, 300)
  expect(last()).toBe('8 960 32768')
  await comes(32_000, 300)
  expect(last()).toBe(`7 3840 ${4 * MIB}`)
})

test('a page that shows them small asks for each of them once', async () => {
  pictures = new Pictures(
    (slide, width, most) => asked.push({ slide, width, most }) - 1,
    () => undefined,
  )
  pictures.want([3, 4, 2], 1280)
  for (let index = 0; index < 3; index++) await comes(260_000, 2000)
  expect(asked).toEqual([3, 4, 2].map((slide) => ({ slide, width: 1280, most: 1 << 18 })))
})
