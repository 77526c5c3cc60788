/* Whether the live picture of the screen is one, or a still that has become a lie. A screen on which nothing moves sends
 * nothing, so that silence alone means nothing. It has stalled when
 *
 * - packets come and no picture is made of them, or
 * - the slides have moved and the picture has not.
 *
 * Sans-I/O: `now` is in milliseconds. */

const WITHOUT_A_FRAME = 3000
/** A slide may change nothing that is seen, but mostly it does. */
const BEHIND_THE_SLIDES = 3000

export class Freshness {
  #frames = 0
  #packets = 0
  /** The first packets after the last frame came then. */
  #hungrySince: number | null = null
  #movedAt: number | null = null

  /** What was received so far. */
  counted(now: number, packets: number, frames: number): void {
    if (frames !== this.#frames) {
      this.#hungrySince = null
      this.#movedAt = null
    } else if (packets > this.#packets) {
      this.#hungrySince ??= now
    }
    this.#frames = frames
    this.#packets = packets
  }

  /** The slides did. */
  moved(now: number): void {
    this.#movedAt ??= now
  }

  isFresh(now: number): boolean {
    const overdue = (since: number | null, patience: number): boolean => since !== null && now - since > patience
    return this.#frames > 0 && !overdue(this.#hungrySince, WITHOUT_A_FRAME) && !overdue(this.#movedAt, BEHIND_THE_SLIDES)
  }
}
