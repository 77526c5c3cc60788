/* Slide pictures: ask for those that are wanted, keep a few, and draw without flicker. They are decoded off the page and
 * drawn on a canvas, which needs no address and so no exception in the page's content security policy. */

/** Requests under way at once: more would hold up the one that is looked at. */
const AT_ONCE = 2
const KEPT = 10
/** Milliseconds before an unanswered or refused request is made again. */
const ASK_AGAIN = 5000

interface Asked {
  slide: number
  width: number
}

export class Pictures {
  readonly #bitmaps = new Map<number, { bitmap: ImageBitmap; asked: number }>()
  readonly #asked = new Map<number, Asked>()
  /** By slide: when it may be asked for again. */
  readonly #notBefore = new Map<number, number>()
  #wanted: number[] = []
  #width = 0
  #deck = ''

  constructor(
    private readonly request: (slide: number, width: number) => number | null,
    private readonly changed: () => void,
  ) {}

  /** What is looked at, the most important first. Call it whenever anything may have changed. */
  want(slides: number[], width: number): void {
    this.#wanted = slides
    this.#width = width
    const now = Date.now()
    for (const [id, { slide }] of this.#asked) if ((this.#notBefore.get(slide) ?? 0) < now) this.#asked.delete(id)
    for (const slide of slides) {
      if (this.#asked.size >= AT_ONCE) return
      const have = this.#bitmaps.get(slide)?.asked ?? 0
      if (have >= width || (this.#notBefore.get(slide) ?? 0) > now) continue
      const id = this.request(slide, width)
      if (id === null) return
      this.#asked.set(id, { slide, width })
      this.#notBefore.set(slide, now + ASK_AGAIN)
    }
  }

  get(slide: number | null): ImageBitmap | undefined {
    return slide === null ? undefined : this.#bitmaps.get(slide)?.bitmap
  }

  arrived(id: number, data: Uint8Array): void {
    const asked = this.#asked.get(id)
    this.#asked.delete(id)
    if (asked) void this.#decode(asked, data)
  }

  /** The host has none now. It is asked again after a while. */
  noPicture(id: number): void {
    this.#asked.delete(id)
  }

  /** A new session answers none of the old one's requests. */
  forgetRequests(): void {
    this.#asked.clear()
    this.#notBefore.clear()
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
      this.#bitmaps.get(asked.slide)?.bitmap.close()
      this.#bitmaps.delete(asked.slide)
      this.#bitmaps.set(asked.slide, { bitmap, asked: asked.width })
      this.#notBefore.delete(asked.slide)
    } catch {
      // Not a picture after all: as if there were none.
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
