/* When there is a picture to show: from the first frame on, until the host says that nobody is on air, or nothing has come
 * for so long that what stands there is not live any more. A moment's loss is a moment's still, not black.
 *
 * Sans-I/O: `now` is in milliseconds. */

const STILL_FOR = 4000
/** Frames that were on their way when somebody was taken off air are not shown. */
const LATE_FRAMES = 1000

export class OnAir {
  #frames = 0
  #frameAt = -Infinity
  /** Whether the host says that somebody is; null until it does. */
  #somebody: boolean | null = null
  #endedAt = -Infinity

  /** The host's word. */
  told(now: number, somebody: boolean): void {
    if (this.#somebody && !somebody) {
      this.#endedAt = now
      this.#frameAt = -Infinity
    }
    this.#somebody = somebody
  }

  /** How many frames there were so far. */
  counted(now: number, frames: number): void {
    // A new connection counts from the beginning.
    if (frames > 0 && frames !== this.#frames && now - this.#endedAt > LATE_FRAMES) this.#frameAt = now
    this.#frames = frames
  }

  isShown(now: number): boolean {
    return now - this.#frameAt < STILL_FOR
  }
}
