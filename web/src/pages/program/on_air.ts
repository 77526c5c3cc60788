/* When there is a picture to show: from the first frame on, until the host says that nobody is on air, or what stands there
 * is not live any more. A moment's loss is a moment's still, not black.
 *
 * Sans-I/O: `now` is in milliseconds. */

import { Freshness } from '../../media/freshness.ts'

/** Frames that were on their way when somebody was taken off air are not shown. */
const LATE_FRAMES = 1000

export class OnAir {
  readonly #picture = new Freshness()
  #somebody = false

  /** Whether somebody is, in the host's word. */
  told(now: number, somebody: boolean): void {
    if (this.#somebody && !somebody) this.#picture.cut(now, LATE_FRAMES)
    this.#somebody = somebody
  }

  /** How many frames there were so far. */
  counted(now: number, frames: number): void {
    this.#picture.counted(now, frames)
  }

  isShown(now: number): boolean {
    return this.#picture.isFresh(now)
  }
}
