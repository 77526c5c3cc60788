/* The ways to the other end, and what is known of each (control.md §6). A path is a name and a kind: the session sends
 * on it and never learns what it is made of. Times are milliseconds of one monotonic clock. */

export type PathKind = 'signaling' | 'relayed' | 'direct' | 'bulk'

const PING_INTERVAL = 1000
/** An unanswered PING is followed by another after the path's round trip and this: at 20 % loss each way one PING in
 * three stays unanswered, and a path that carries four frames of five must not be given up for that. `bulk` loses nothing,
 * and what waits in it for an acknowledgement takes room from the taps beside it. */
const PING_AGAIN = 150
const UNKNOWN_ROUND_TRIP = 250
/** Milliseconds without a PONG after which a path is not counted on any more. */
export const LIVE_FOR = 3000
/** A path is dead when nothing was received by it for twice its round trip and this, after an intent went out on it. */
const SILENCE = 150
/** Before that, from its round trip and PROBE_AFTER on, it is asked: on a lossy path some answer gets through. */
const PROBE_AFTER = 50
const PROBE_EVERY = 20
/** The share of unanswered PINGs that a path loses much at: 11 % each way. */
const MUCH = 0.2
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
  /** The share of PINGs that stayed unanswered, smoothed likewise. */
  loss: number
  /** When an intent went out on it that nothing was received after; never: `Infinity`. */
  unheardSince: number
  /** When it was first asked for a sign of life after that. */
  probedSince: number
  /** Nothing was received for too long after an intent; any frame ends that. */
  isSilent: boolean
  /** Whether it was live when last judged. */
  wasLive: boolean
}

/** What it carries arrives, in order, or the path itself is gone. */
export const isStream = ({ kind }: Path): boolean => kind === 'signaling' || kind === 'bulk'
const wasAnswered = (path: Path, now: number): boolean => now - (path.lastPong ?? path.upSince) < LIVE_FOR
/** Answering, or too young to be judged. */
export const isLive = (path: Path, now: number): boolean => !path.isSilent && wasAnswered(path, now)
const expected = (path: Path): number => path.roundTrip ?? UNKNOWN_ROUND_TRIP
/** Milliseconds to wait for a PONG before the next PING. */
const pingPatience = (path: Path, now: number): number =>
  path.kind !== 'bulk' && wasAnswered(path, now) ? Math.min(PING_INTERVAL, expected(path) + PING_AGAIN) : PING_INTERVAL
const probesFrom = (path: Path): number => path.unheardSince + expected(path) + PROBE_AFTER
const pingDue = (path: Path): number => Math.min(path.nextPing, Math.max(probesFrom(path), path.lastPing + PROBE_EVERY))
/** When it will be given up if nothing is received. Not before a probe could be answered: if we stood still, the answers may
 * have come and wait to be read. */
const silentAt = (path: Path): number =>
  Math.max(path.unheardSince + 2 * expected(path) + SILENCE, path.probedSince + expected(path) + PROBE_AFTER)
const isProven = (path: Path, now: number): boolean => path.lastPong !== null && isLive(path, now)

export class PathTable {
  readonly #paths = new Map<string, Path>()

  up(name: string, kind: PathKind, now: number): void {
    const young = { lastPong: null, roundTrip: null, loss: 0, unheardSince: Infinity, probedSince: Infinity, isSilent: false, wasLive: true }
    this.#paths.set(name, { name, kind, upSince: now, nextPing: now, lastPing: now, ...young })
  }

  down(name: string): void {
    this.#paths.delete(name)
  }

  get(name: string): Path | undefined {
    return this.#paths.get(name)
  }

  sentIntent(path: Path, now: number): void {
    if (!path.isSilent) path.unheardSince = Math.min(path.unheardSince, now)
  }

  /** A frame that came by it opened. */
  received(path: Path): void {
    path.unheardSince = path.probedSince = Infinity
    path.isSilent = false
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

  /** The shortest that is known, of the paths that intents go on; else `Infinity`. */
  roundTrip(now: number): number {
    return Math.min(...this.control(now).map((path) => path.roundTrip ?? Infinity))
  }

  /** Whether all paths that can lose something lose much; also where streams are all there is: the sooner something
   * follows, the sooner TCP sees what it lost. */
  loses(now: number): boolean {
    return this.control(now).every((path) => isStream(path) || path.loss > MUCH)
  }

  /** Where a message goes: the bulk channel if it is live, else signaling if it is up. */
  messages(now: number): Path | undefined {
    const carrying = [...this.#paths.values()].filter(isStream)
    carrying.sort((a, b) => Number(a.kind === 'signaling') - Number(b.kind === 'signaling'))
    return carrying.find((path) => isLive(path, now)) ?? carrying.at(-1)
  }

  /** The path to speak of: proven, and the most direct. */
  best(now: number): Path | undefined {
    const proven = [...this.#paths.values()].filter((path) => path.kind !== 'bulk' && isProven(path, now))
    return proven.toSorted((a, b) => PREFERENCE.indexOf(a.kind) - PREFERENCE.indexOf(b.kind))[0]
  }

  /** The paths whose PING is due; each is taken to be sent. */
  duePings(now: number): Path[] {
    const due = [...this.#paths.values()].filter((path) => pingDue(path) <= now)
    for (const path of due) {
      if (path.nextPing <= now && path.lastPong !== null) path.loss += (Number(path.lastPong < path.lastPing) - path.loss) / 8
      path.lastPing = now
      path.nextPing = now + pingPatience(path, now)
      if (probesFrom(path) <= now) path.probedSince = Math.min(path.probedSince, now)
    }
    return due
  }

  /** The paths that were live when this was last asked, and are not any more. */
  died(now: number): Path[] {
    return [...this.#paths.values()].filter((path) => {
      if (silentAt(path) <= now) {
        path.unheardSince = path.probedSince = Infinity
        path.isSilent = true
        path.nextPing = now
      }
      const { wasLive } = path
      path.wasLive = isLive(path, now)
      return wasLive && !path.wasLive
    })
  }

  /** Check every path at once: something may have changed (the page was hidden, the network came back). */
  pingNow(now: number): void {
    for (const path of this.#paths.values()) path.nextPing = now
  }

  /** When a PING is due, or a path to be given up. */
  nextEvent(): number {
    return Math.min(...[...this.#paths.values()].map((path) => Math.min(pingDue(path), silentAt(path))))
  }
}
