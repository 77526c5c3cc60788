/* The ways to the other end, and what is known of each (control.md §6). A path is a name and a kind: the session sends
 * on it and never learns what it is made of. Times are milliseconds of one monotonic clock. */

export type PathKind = 'signaling' | 'relayed' | 'direct' | 'bulk'

const PING_INTERVAL = 1000
/** An unanswered PING is followed by another after the path's round trip and this: at 20 % loss each way one PING in
 * three stays unanswered, and a path that carries four frames of five must not be given up for that. */
const PING_AGAIN = 150
const UNKNOWN_ROUND_TRIP = 250
/** Milliseconds without a PONG after which a path is not counted on any more. */
export const LIVE_FOR = 3000
const PREFERENCE: PathKind[] = ['direct', 'relayed', 'signaling']

export interface Path {
  name: string
  kind: PathKind
  upSince: number
  nextPing: number
  lastPing: number
  lastPong: number | null
  /** Milliseconds, smoothed as RFC 6298 does (alpha 1/8). */
  roundTrip: number | null
}

/** Answering, or too young to be judged. */
export const isLive = (path: Path, now: number): boolean => now - (path.lastPong ?? path.upSince) < LIVE_FOR
/** Milliseconds to wait for a PONG before the next PING. */
const pingPatience = (path: Path, now: number): number =>
  isLive(path, now) ? Math.min(PING_INTERVAL, (path.roundTrip ?? UNKNOWN_ROUND_TRIP) + PING_AGAIN) : PING_INTERVAL
const isProven = (path: Path, now: number): boolean => path.lastPong !== null && isLive(path, now)

export class PathTable {
  readonly #paths = new Map<string, Path>()

  up(name: string, kind: PathKind, now: number): void {
    this.#paths.delete(name)
    this.#paths.set(name, { name, kind, upSince: now, nextPing: now, lastPing: now, lastPong: null, roundTrip: null })
  }

  down(name: string): void {
    this.#paths.delete(name)
  }

  get(name: string): Path | undefined {
    return this.#paths.get(name)
  }

  heardPong(path: Path, roundTrip: number, now: number): void {
    path.lastPong = now
    path.nextPing = path.lastPing + PING_INTERVAL
    path.roundTrip = path.roundTrip === null ? roundTrip : path.roundTrip + (roundTrip - path.roundTrip) / 8
  }

  /** Where an intent goes: every live path, or all of them when none is live (nothing is lost by it). */
  control(now: number): Path[] {
    const carrying = [...this.#paths.values()].filter((path) => path.kind !== 'bulk')
    const live = carrying.filter((path) => isLive(path, now))
    return live.length > 0 ? live : carrying
  }

  /** Where a message goes: the bulk channel if it is live, else signaling. */
  messages(now: number): Path | undefined {
    const carrying = [...this.#paths.values()].filter((path) => path.kind === 'bulk' || path.kind === 'signaling')
    const rank = (path: Path): number => (isLive(path, now) ? 0 : 2) + (path.kind === 'bulk' ? 0 : 1)
    return carrying.toSorted((a, b) => rank(a) - rank(b))[0]
  }

  /** The path to speak of: proven, and the most direct. */
  best(now: number): Path | undefined {
    const proven = [...this.#paths.values()].filter((path) => path.kind !== 'bulk' && isProven(path, now))
    return proven.toSorted((a, b) => PREFERENCE.indexOf(a.kind) - PREFERENCE.indexOf(b.kind))[0]
  }

  /** The paths whose PING is due; each is taken to be sent. */
  duePings(now: number): Path[] {
    const due = [...this.#paths.values()].filter((path) => path.nextPing <= now)
    for (const path of due) {
      path.lastPing = now
      path.nextPing = now + pingPatience(path, now)
    }
    return due
  }

  /** Check every path at once: something may have changed (the page was hidden, the network came back). */
  pingNow(now: number): void {
    for (const path of this.#paths.values()) path.nextPing = now
  }

  nextPing(): number {
    return Math.min(...[...this.#paths.values()].map((path) => path.nextPing))
  }
}
