/* When there is a picture to show: from the first frame on, until the host says that no speaker is on air, or what stands there
 * is not live any more. A moment's loss is a moment's still, not black.
 *
 * Sans-I/O: `now` is in milliseconds. */

import { Freshness } from '../../media/freshness.ts'

/** Frames that were on their way when a speaker was taken off air are not shown. */
const LATE_FRAMES = 1000

export class OnAir {
  readonly #picture = new Freshness()
  #isOnAir = false

  /** Whether a speaker is on air, as the host says. */
  told(now: number, onAir: boolean): void {
    if (this.#isOnAir && !onAir) this.#picture.cut(now, LATE_FRAMES)
    this.#isOnAir = onAir
  }

  /** How many frames there were so far. */
  counted(now: number, frames: number): void {
    this.#picture.counted(now, frames)
  }

  isShown(now: number): boolean {
    return this.#picture.isFresh(now)
  }
}
