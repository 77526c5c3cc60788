/* What the presenter knows of the host's session clock (control.md §5): it is never ahead of the truth.
 *
 * Every PONG was written before it arrived, so the host's clock is at least what it says, plus the time since. The
 * greatest of these bounds is the truest. A bound counts for 30 to 60 s and no longer, because two crystals drift apart
 * by some hundred milliseconds in an hour. */

import { milliseconds, serialDifference } from './bytes.ts'

const KEPT_FOR = 30_000

export class HostClock {
  #ahead: number
  #earlier: number
  #since: number

  constructor(clock: number, now: number) {
    this.#ahead = this.#earlier = serialDifference(clock, milliseconds(now))
    this.#since = now
  }

  /** A clock reading of the host has just arrived. */
  learn(clock: number, now: number): void {
    const ahead = serialDifference(clock, milliseconds(now))
    if (now - this.#since >= KEPT_FOR) {
      this.#earlier = this.#ahead
      this.#ahead = ahead
      this.#since = now
    } else if (serialDifference(ahead, this.#ahead) > 0) this.#ahead = ahead
  }

  /** The greatest lower bound of the host's clock, in milliseconds modulo 2^32. */
  read(now: number): number {
    const later = serialDifference(this.#ahead, this.#earlier) > 0
    return (milliseconds(now) + (later ? this.#ahead : this.#earlier)) >>> 0
  }
}
