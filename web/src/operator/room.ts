/* The operator's part of the host's `state` (control.md §7), and its words. */

import type { Message } from '../client/wire.ts'

export interface PresenterRow {
  session: number
  name: string
  kind: string
  role: string
  link: string
  muted: boolean
  path: string | null
  rtt_ms: number | null
  clicks: number
  last: { intent: string; status: string; from: number | null; to: number | null } | null
  since: number
}

export interface LinkRow {
  id: string
  url: string
  label: string
  role: string
  expires: number | null
  revoked: boolean
  qr: string
}

export interface Room {
  code: string
  hosts: { name?: string; member?: string; away?: boolean; you?: boolean }[]
  presenters: PresenterRow[]
  links: LinkRow[]
}

export function readRoom(message: Message): Room | null {
  const room = message['room'] as Partial<Room> | undefined
  if (!room) return null
  return { code: room.code ?? '', hosts: room.hosts ?? [], presenters: room.presenters ?? [], links: room.links ?? [] }
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

export function expiryWords({ expires, revoked }: LinkRow, now: number): string {
  if (revoked) return 'withdrawn'
  if (expires === null) return 'good for this show'
  const left = expires - now / 1000
  if (left <= 0) return 'expired'
  return left < 5400 ? `good for ${Math.ceil(left / 60)} min` : `good for ${Math.round(left / 3600)} h`
}
