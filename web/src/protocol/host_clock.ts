/* What the presenter knows of the host's session clock (control.md §5): it is never ahead of the truth.
 *
 * A PONG was written before it arrived, so the host's clock is at least what it says, plus the time since. The greatest
 * of these bounds is the truest. A bound ages by a millisecond every two seconds (500 ppm), because no two clocks agree.
 *
 * A PONG was also written after the PING it answers was sent, so the host's clock is at most what it says, plus the round
 * trip. A bound above that cannot be true: one of the two clocks was set, or stood still while its machine slept. It is
 * replaced by the PONG's. */

import { milliseconds, serialDifference } from './bytes.ts'

const AGES_EVERY = 2000
/** Three rounded readings may contradict each other by this much. */
const ROUNDING = 3

export class HostClock {
  #bound: number
  #since: number

  constructor(clock: number, now: number) {
    this.#bound = clock
    this.#since = milliseconds(now)
  }

  /** A PONG has just arrived: the host's `clock`, and the `stamp` of the PING that it answers. */
  learn(clock: number, stamp: number, now: number): void {
    const ahead = serialDifference(this.read(now), clock)
    const roundTrip = serialDifference(milliseconds(now), stamp)
    const most = roundTrip + Math.floor(roundTrip / AGES_EVERY) + ROUNDING
    if (ahead < 0 || (most >= 0 && most < ahead)) {
      this.#bound = clock
      this.#since = milliseconds(now)
    }
  }

  /** The greatest lower bound of the host's clock, in milliseconds modulo 2^32. */
  read(now: number): number {
    const elapsed = serialDifference(milliseconds(now), this.#since)
    return (this.#bound + elapsed - Math.floor(elapsed / AGES_EVERY)) >>> 0
  }
}
