/* What the presenter knows of the host's session clock (control.md §5): it is never ahead of the truth.
 *
 * Every PONG was written before it arrived, so the host's clock is at least what it says, plus the time since. The
 * greatest of these bounds is the truest. A bound ages by a millisecond every five seconds (200 ppm), because no two
 * crystals agree. */

import { milliseconds, serialDifference } from './bytes.ts'

const AGES_EVERY = 5000

export class HostClock {
  #since: number
  #ahead: number

  constructor(clock: number, now: number) {
    this.#since = milliseconds(now)
    this.#ahead = serialDifference(clock, this.#since)
  }

  /** A clock reading of the host has just arrived. */
  learn(clock: number, now: number): void {
    const age = Math.floor(serialDifference(milliseconds(now), this.#since) / AGES_EVERY)
    this.#since += age * AGES_EVERY
    this.#ahead -= age
    this.#ahead += Math.max(0, serialDifference(clock, this.read(now)))
  }

  /** The greatest lower bound of the host's clock, in milliseconds modulo 2^32. */
  read(now: number): number {
    return (milliseconds(now) + this.#ahead) >>> 0
  }
}
