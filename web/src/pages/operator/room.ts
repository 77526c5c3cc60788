/* The operator's part of the host's `state` (control.md §7), and its words. */

import type { Message } from '../../protocol/sealed_session.ts'

export interface PresenterRow {
  session: number
  name: string
  kind: string
  role: string
  link: string
  muted: boolean
  /** Whether it was let in, or need not be. */
  admitted: boolean
  /** The verification words of its session. */
  words: string
  path: string | null
  rtt_ms: number | null
  clicks: number
  last: { intent: string; status: string; from: number | null; to: number | null } | null
  since: number
  /** Whether it sends them. */
  camera?: boolean
  microphone?: boolean
  on_air?: boolean
  /** How its camera comes in at the host, in steps. */
  reception?: Reception | null
}

export interface Reception {
  kbps: number
  /** Percent that the network lost. */
  lost: number
  /** Percent that nothing brought back. */
  gone: number
}

export interface LinkRow {
  id: string
  url: string
  label: string
  role: string
  not_before: number | null
  expires: number | null
  first: number | null
  last: number | null
  one_device: boolean
  /** One device has it. */
  in_use: boolean
  by_hand: boolean
  revoked: boolean
  /** By the host's clock. */
  expired?: boolean
}

export interface RoomMedia {
  /** It is shared. */
  screen: boolean
  recording: boolean
  can_share: boolean
  /** In the host's words. */
  problem: string | null
  /** Seconds so far, where the host says it. */
  recorded: number | null
}

/** Who came by one link, and holds places of the room at the server. */
export interface PlacesRow {
  link: string
  count: number
  /** How many of them finished the handshake. */
  proven: number
  away: number
  /** When the first of them came, by the host's clock. */
  since: number
  /** How many are at one address, where more than one is. */
  origins: { origin: number; count: number }[]
}

export interface Room {
  code: string
  hosts: { name?: string; member?: string; away?: boolean; you?: boolean }[]
  presenters: PresenterRow[]
  links: LinkRow[]
  /** Absent where the host does not know. */
  places?: PlacesRow[]
  /** How often something came that the host did not obey, by name. */
  rejected: { [name: string]: number }
  /** Null where the host knows nothing of media. */
  media: RoomMedia | null
}

export function readRoom(message: Message): Room | null {
  const room = message['room'] as Partial<Room> | undefined
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
export function sentWords({ camera, microphone, on_air: onAir, reception }: Pick<PresenterRow, 'camera' | 'microphone' | 'on_air' | 'reception'>): string {
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
export const answers = ({ path }: Pick<PresenterRow, 'path'>): boolean => path !== null && Object.hasOwn(PATHS, path)

export function pathWords({ path, rtt_ms }: PresenterRow): string {
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

export function lastWords({ last, clicks }: PresenterRow): string {
  const count = `${clicks} ${clicks === 1 ? 'click' : 'clicks'}`
  if (!last) return count
  const moved = last.from !== null && last.to !== null && last.from !== last.to ? ` ${last.from} → ${last.to}` : ''
  return `${count}, last: ${last.intent} ${last.status}${moved}`
}

/** How long a link is good for. `now` is in milliseconds, as a browser's clock. */
export function expiryWords({ not_before, expires, revoked, expired }: LinkRow, now: number): string {
  if (revoked) return 'withdrawn'
  if (expired) return 'expired'
  if (not_before && not_before * 1000 > now) {
    const opens = new Date(not_before * 1000).toLocaleString([], { weekday: 'short', hour: '2-digit', minute: '2-digit' })
    return expires === null ? `opens ${opens}` : `opens ${opens}, then ${expiryWords({ expires } as LinkRow, not_before * 1000)}`
  }
  if (expires === null) return 'good for this show'
  const left = expires - now / 1000
  if (left <= 0) return 'expired'
  return left < 5400 ? `good for ${Math.ceil(left / 60)} min` : `good for ${Math.round(left / 3600)} h`
}

const devices = (count: number): string => `${count} ${count === 1 ? 'device' : 'devices'}`

export function placesWords({ count, proven, away, since }: PlacesRow): string[] {
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
export function rulesWords({ first, last, one_device, in_use, by_hand }: LinkRow): string[] {
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
