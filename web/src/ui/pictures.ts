/* Slide pictures: ask for those that are wanted, keep a few, and draw without flicker. They are decoded off the page and
 * drawn on a canvas, which needs no address and so no exception in the page's content security policy.
 * What does not come is asked for again, smaller. */

import type { PictureRequest } from '../protocol/messages.ts'

const KEPT = 10
/** Requests at once, the late ones too. */
const AT_ONCE = 4
/** Milliseconds before an unanswered or refused request is made again; an answer that is long has longer. */
const ASK_AGAIN = 5000
const LEAST = 1 << 14
export const FEW = 1 << 15
export const MOST = 1 << 22
/** A picture that is so much of what it may be was made to fit, and a larger one would be finer. */
const FITTED = 0.3

export interface Size {
  width: number
  /** Bytes that it may have. */
  most: number
}

/** A slide in a size. */
export type Wish = [number, Size]

/** How pictures have come so far. */
export interface Speed {
  /** Bytes in a millisecond; 0: not known. */
  rate: number
  /** Milliseconds that the last one took that was not to have few bytes. */
  took: number
}

/** What is asked for, the most urgent first, where these slides are looked at so many pixels wide. */
export type Order = (slides: number[], width: number, speed: Speed) => Wish[]

/** For a page that shows them small. */
const inTurn: Order = (slides, width) => slides.map((slide) => [slide, { width, most: 1 << 18 }])

interface Asked extends Size {
  slide: number
  since: number
  until: number
}

const holds = (it: Size | undefined, { width, most }: Size): boolean => !!it && it.width >= width && it.most >= most

export class Pictures {
  readonly #bitmaps = new Map<number, Size & { bitmap: ImageBitmap }>()
  readonly #asked = new Map<number, Asked>()
  /** By slide: how often it did not come, and when it may be asked for again. */
  readonly #failed = new Map<number, { times: number; until: number }>()
  #wanted: number[] = []
  #width = 0
  #deck = ''
  readonly #speed = { rate: 0, took: 0 }

  constructor(
    private readonly request: (slide: number, width: number, most: number) => number | null,
    private readonly changed: () => void,
    private readonly order = inTurn,
  ) {}

  /** What is looked at, the most important first. Call it whenever anything may have changed. */
  want(slides: number[], width: number): void {
    this.#wanted = slides
    this.#width = width
    const now = Date.now()
    for (const asked of this.#asked.values()) {
      if (asked.until > now) continue
      asked.until = Infinity
      this.#fail(asked.slide, 0)
    }
    for (const [slide, size] of this.order(slides, width, this.#speed)) {
      const { times, until } = this.#failed.get(slide) ?? { times: 0, until: 0 }
      const wish = { width: Math.max(size.width >> times, 160), most: Math.max(size.most >> times, LEAST) }
      if (until > now || holds(this.#bitmaps.get(slide), wish)) continue
      for (const it of this.#asked.values())
        if (it.slide === slide && it.until < Infinity && holds(it, wish)) return // nothing less urgent comes before it
      if (this.#asked.size >= AT_ONCE) this.#asked.clear() // they are very late
      const id = this.request(slide, wish.width, wish.most)
      if (id === null) return
      this.#asked.set(id, { ...wish, slide, since: now, until: now + ASK_AGAIN + (2 * wish.most) / (this.#speed.rate || 50) })
      return
    }
  }

  get(slide: number | null): ImageBitmap | undefined {
    return this.#bitmaps.get(slide ?? 0)?.bitmap
  }

  /** How often this slide was asked for and did not come. */
  failures(slide: number): number {
    return this.#failed.get(slide)?.times ?? 0
  }

  arrived(id: number, data: Uint8Array): void {
    const asked = this.#asked.get(id)
    this.#asked.delete(id)
    if (!asked) return
    const took = Math.max(Date.now() - asked.since, 1)
    const rate = data.length / took
    const { rate: before } = this.#speed
    const few = data.length <= FEW // a short one says little of what the network carries
    this.#speed.rate = Math.max(rate, few ? before : (before + rate) / 2)
    if (!few) this.#speed.took = took
    void this.#decode(asked, data)
  }

  /** The host has none now. It is asked again after a while, or at once where something else came first. */
  noPicture(id: number, reason: string): void {
    const asked = this.#asked.get(id)
    this.#asked.delete(id)
    if (asked && reason !== 'overtaken') this.#fail(asked.slide)
  }

  #fail(slide: number, after = ASK_AGAIN): void {
    this.#failed.set(slide, { times: Math.min(this.failures(slide) + 1, 5), until: Date.now() + after })
  }

  /** A new session answers none of the old one's requests. */
  forgetRequests(): void {
    this.#asked.clear()
    this.#failed.clear()
  }

  /** Pictures of another deck are not this one's. */
  ofDeck(deck: string): void {
    if (this.#deck === deck) return
    this.#deck = deck
    this.forgetRequests()
    for (const { bitmap } of this.#bitmaps.values()) bitmap.close()
    this.#bitmaps.clear()
  }

  async #decode(asked: Asked, data: Uint8Array): Promise<void> {
    const deck = this.#deck
    try {
      const bitmap = await createImageBitmap(new Blob([data as Uint8Array<ArrayBuffer>]))
      if (deck !== this.#deck) return
      const before = this.#bitmaps.get(asked.slide)
      const most = data.length < FITTED * asked.most ? MOST : asked.most
      const size = { width: asked.width, most }
      if (holds(before, size)) bitmap.close()
      else {
        before?.bitmap.close()
        this.#bitmaps.delete(asked.slide)
        this.#bitmaps.set(asked.slide, { ...size, bitmap })
      }
    } catch {
      this.#fail(asked.slide) // not a picture after all: as if there were none
    }
    for (const [slide, { bitmap }] of this.#bitmaps) {
      if (this.#bitmaps.size <= KEPT) break
      if (this.#wanted.includes(slide)) continue
      bitmap.close()
      this.#bitmaps.delete(slide)
    }
    this.want(this.#wanted, this.#width)
    this.changed()
  }
}

const drawn = new WeakMap<HTMLCanvasElement, ImageBitmap>()

/** Shows a picture. Without one the canvas keeps what it has unless told to `clear`. */
export function draw(canvas: HTMLCanvasElement, bitmap: ImageBitmap | undefined, clear: boolean): void {
  if (bitmap && drawn.get(canvas) !== bitmap) {
    canvas.width = bitmap.width
    canvas.height = bitmap.height
    canvas.getContext('2d')?.drawImage(bitmap, 0, 0)
    drawn.set(canvas, bitmap)
  } else if (!bitmap && clear && drawn.delete(canvas)) {
    canvas.getContext('2d')?.clearRect(0, 0, canvas.width, canvas.height)
  }
}

/** Asks for a slide's picture of at most so many bytes by `send`; the id that the answer will name, or `null` if it could not be asked. */
export function pictureRequests(send: (message: PictureRequest) => boolean): (slide: number, width: number, most: number) => number | null {
  let next = 0
  return (slide, width, most) => {
    const id = next
    if (!send({ type: 'picture', id, slide, width, most })) return null
    next = (id + 1) & 0xffff
    return id
  }
}
