/* The operator's part of the host's `state` (control.md §7), and its words. */

import type { LinkEntry, PlacesEntry, PresenterEntry, PresenterMedia, Reception, RoomMedia, RoomPart, StateMessage } from '../../protocol/messages.ts'

/** The room as it is shown: media are null where the host knows nothing of them. */
export interface Room extends Omit<RoomPart, 'media' | 'places'> {
  media: RoomMedia | null
  /** Absent where the host does not know. */
  places?: PlacesEntry[]
}

export function readRoom({ room }: StateMessage): Room | null {
  if (!room) return null
  const { code = '', hosts = [], presenters = [], links = [], places, rejected = {}, media } = room
  return { code, hosts, presenters, links, ...(places && { places }), rejected, media: media ? readMedia(media) : null }
}

function readMedia({ screen, recording, can_share: canShare, problem, recorded }: Partial<RoomMedia>): RoomMedia {
  return {
    screen: screen === true,
    recording: recording === true,
    can_share: canShare === true,
    problem: typeof problem === 'string' && problem ? problem : null,
    recorded: typeof recorded === 'number' ? recorded : null,
  }
}

/** What a presenter sends, in words; nothing if nothing. */
export function sentWords({ camera, microphone, on_air: onAir, reception }: Partial<PresenterMedia>): string {
  const sent = camera && microphone ? 'camera and microphone on' : camera ? 'camera on' : microphone ? 'microphone on' : ''
  const received = sent && camera && reception ? ` (${receptionWords(reception)})` : ''
  if (!onAir) return sent + received
  return sent ? `on air, ${sent}${received}` : 'on air, but sends nothing'
}

/** Whether a bad picture is the network's fault. */
function receptionWords({ kbps, lost, gone }: Reception): string {
  const rate = kbps < 1000 ? `${kbps} kbit/s` : `${kbps / 1000} Mbit/s`
  if (!lost) return rate
  return `${rate}, ${lost} % lost on the way, ${gone ? `${gone} % for good` : 'all of it repaired'}`
}

const two = (value: number): string => String(Math.floor(value)).padStart(2, '0')

/** Hours only where there are any. */
export function elapsedWords(seconds: number): string {
  const hours = Math.floor(seconds / 3600)
  return `${hours ? `${hours}:` : ''}${two((seconds / 60) % 60)}:${two(seconds % 60)}`
}

const PATHS: { [path: string]: string } = {
  direct: 'directly',
  relayed: 'through a relay',
  signaling: 'through the server',
}

/** Whether the host has any way to this presenter now. */
export const answers = ({ path }: Pick<PresenterEntry, 'path'>): boolean => path !== null && Object.hasOwn(PATHS, path)

export function pathWords({ path, rtt_ms }: PresenterEntry): string {
  const way = answers({ path }) ? PATHS[path ?? ''] : null
  if (!way) return 'not answering'
  return way + (rtt_ms === null ? '' : ` · ${Math.round(rtt_ms)} ms`)
}

const ROLES: { [role: string]: string } = {
  click: 'changes slides and points',
  laser: 'points only',
  view: 'watches',
  operator: 'runs the show',
}

export const roleWords = (role: string): string => ROLES[role] ?? role

export function lastWords({ last, clicks }: PresenterEntry): string {
  const count = `${clicks} ${clicks === 1 ? 'click' : 'clicks'}`
  if (!last) return count
  const moved = last.from !== null && last.to !== null && last.from !== last.to ? ` ${last.from} → ${last.to}` : ''
  return `${count}, last: ${last.intent} ${last.status}${moved}`
}

/** How long a link is good for. `now` is in milliseconds, as a browser's clock. */
export function expiryWords({ not_before, expires, revoked, expired }: LinkEntry, now: number): string {
  if (revoked) return 'withdrawn'
  if (expired) return 'expired'
  if (not_before && not_before * 1000 > now) {
    const opens = new Date(not_before * 1000).toLocaleString([], { weekday: 'short', hour: '2-digit', minute: '2-digit' })
    return expires === null ? `opens ${opens}` : `opens ${opens}, then ${expiryWords({ expires } as LinkEntry, not_before * 1000)}`
  }
  if (expires === null) return 'good for this show'
  const left = expires - now / 1000
  if (left <= 0) return 'expired'
  return left < 5400 ? `good for ${Math.ceil(left / 60)} min` : `good for ${Math.round(left / 3600)} h`
}

const devices = (count: number): string => `${count} ${count === 1 ? 'device' : 'devices'}`

export function placesWords({ count, proven, away, since }: PlacesEntry): string[] {
  const first = new Date(since * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
  const words = [`${devices(count)} since ${first}`]
  if (count > proven) words.push(`${count - proven} not proven yet`)
  if (away) words.push(`${away} away`)
  return words
}

export const originWords = ({ count }: { count: number }): string => `${devices(count)} from one network`

/** What was tried and refused, in words; `serious` where a slow network or a closed page cannot be the reason. */
const REJECTED: { [name: string]: [words: string, serious?: true] } = {
  forged: ['altered or made up on the way', true],
  wrong_secret: ["tried to come in without the link's secret", true],
  introduction_false: ['did not keep to what they began with', true],
  not_introduced: ['did not say who they are', true],
  too_many_hellos: ['came in too often by one link', true],
  link_full: ['one presenter too many by one link', true],
  intents_too_fast: ['taps too fast', true],
  laser_too_fast: ['laser points too fast', true],
  malformed: ['made no sense', true],
  malformed_hello: ['made no sense', true],
  malformed_records: ['made no sense', true],
  malformed_message: ['made no sense', true],
  sequence_out_of_range: ['made no sense', true],
  not_for_a_host: ['made no sense', true],
  other_session: ['belonged to another session', true],
  link_not_ours: ['came by a link that is not good, or not any more'],
  replayed: ['came a second time'],
  repeated_hello: ['asked again to come in'],
  session_unknown: ['belonged to a session that is over'],
  laser_late: ['laser points came late'],
}

export interface RejectedRow {
  words: string
  count: number
  serious: boolean
}

export function rejectedRows(rejected: Room['rejected']): RejectedRow[] {
  const rows = new Map<string, RejectedRow>()
  for (const [name, count] of Object.entries(rejected)) {
    if (!(count > 0)) continue
    const [words, serious = false] = (Object.hasOwn(REJECTED, name) && REJECTED[name]) || [name.replaceAll('_', ' ')]
    const row = rows.get(words) ?? { words, count: 0, serious }
    rows.set(words, { ...row, count: row.count + count })
  }
  return [...rows.values()].toSorted((a, b) => Number(b.serious) - Number(a.serious) || b.count - a.count)
}

/** What else a link's rules are. */
export function rulesWords({ first, last, one_device, in_use, by_hand }: LinkEntry): string[] {
  const words: string[] = []
  if (first !== null || last !== null) words.push(`slides ${first ?? 1}–${last ?? 'end'}`)
  if (one_device) words.push(in_use ? 'one device, which has it' : 'one device')
  if (by_hand) words.push('let in by hand')
  return words
}

/** Seconds until a clock shows this time ("14:00") next; `null` for none. */
export function secondsUntil(time: string, now: Date): number | null {
  const [hours, minutes] = time.split(':').map(Number)
  if (hours === undefined || minutes === undefined) return null
  const then = new Date(now)
  then.setHours(hours, minutes, 0, 0)
  if (then <= now) then.setDate(then.getDate() + 1)
  return (then.getTime() - now.getTime()) / 1000
}
