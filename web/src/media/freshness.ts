/* Whether a picture that is shown is one of now. Hosts send a frame every second even of a screen on which nothing moves,
 * and cameras many more: a moment without one is loss, some seconds are a still that has become a lie.
 *
 * Sans-I/O: `now` is in milliseconds. */

const STILL_FOR = 4000

export class Freshness {
  #frames = 0
  #frameAt = -Infinity
  #deafUntil = -Infinity

  /** How many frames there were so far. A new connection counts from the beginning. */
  counted(now: number, frames: number): void {
    if (frames > 0 && frames !== this.#frames && now >= this.#deafUntil) this.#frameAt = now
    this.#frames = frames
  }

  /** It is over. Frames that are on their way still are not counted for so long. */
  cut(now: number, deaf: number): void {
    this.#frameAt = -Infinity
    this.#deafUntil = now + deaf
  }

  isFresh(now: number): boolean {
    return now - this.#frameAt < STILL_FOR
  }
}
