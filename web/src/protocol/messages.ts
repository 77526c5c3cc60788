/* Sealed messages and the state (control.md §7, §8). Made by tools/make_messages.py of the structs in
 * slidewire.control.messages and slidewire.control.state: change those. */

/** The browser's `RTCIceCandidateInit`. */
export interface IceCandidate {
  candidate?: string
  sdpMid?: string | null
  sdpMLineIndex?: number | null
  usernameFragment?: string | null
}

/** A position of the laser, as fractions of the slide. */
export interface Position {
  x: number
  y: number
}

/** Why a command was not done. */
export interface CommandFault {
  code: string
  message: string
}

/** How a camera comes in, in steps. */
export interface Reception {
  kbps: number
  lost: number
  gone: number
}

/** What a presenter sends. */
export interface PresenterMedia {
  camera: boolean
  microphone: boolean
  on_air: boolean
  reception: Reception | null
}

/** The animation steps of the slide: `position` of `count` are shown. */
export interface Build {
  position: number
  count: number
}

/** What is known of the deck. Slides count from 1; null means that the deck cannot tell. */
export interface DeckPart {
  driver: string
  title: string
  status: 'running' | 'no_show' | 'no_deck'
  slide: number | null
  count: number | null
  build: Build | null
  blank: 'black' | 'white' | null
  can: string[]
  pictures: boolean
  notes: string | null
  slide_title: string | null
  next_title: string | null
  slide_label: string | null
  edition: number
  has_newer: boolean
  drawable: boolean
}

/** What a presenter is told of itself. */
export interface YouPart {
  role: 'view' | 'laser' | 'click' | 'operator'
  muted: boolean
  name: string
  admitted: boolean
  first: number | null
  last: number | null
  expires: number | null
}

/** What a page is told of media: whether the screen is shared, what the page may send, and what is on air. */
export interface MediaPart {
  screen: boolean
  camera: boolean
  microphone: boolean
  on_air: boolean
  recording: boolean
}

/** A host of the room. */
export interface HostEntry {
  member: string
  name: string
  away: boolean
  this: boolean
}

/** What became of a presenter's newest intent. */
export interface LastClick {
  intent: string
  status: string
  reason: string
  from: number | null
  to: number | null
}

/** A presenter, as operators see it. */
export interface PresenterEntry {
  session: number
  name: string
  kind: string
  role: string
  link: string
  muted: boolean
  admitted: boolean
  words: string | null
  path: string
  rtt_ms: number | null
  clicks: number
  last: LastClick | null
  since: number
  camera: boolean
  microphone: boolean
  on_air: boolean
  reception: Reception | null
}

/** A link, as operators see it. Times are seconds since 1970. */
export interface LinkEntry {
  id: string
  url: string
  label: string
  role: string
  page: string
  not_before: number | null
  expires: number | null
  first: number | null
  last: number | null
  one_device: boolean
  in_use: boolean
  by_hand: boolean
  revoked: boolean
  expired: boolean
}

/** How many are at one address. */
export interface OriginEntry {
  origin: number
  count: number
}

/** The places of the room at the server that one link holds. */
export interface PlacesEntry {
  link: string
  count: number
  proven: number
  away: number
  since: number
  origins: OriginEntry[]
}

/** What operators are told of media. */
export interface RoomMedia {
  screen: boolean
  recording: boolean
  recorded: number | null
  can_share: boolean
  problem: string | null
}

/** What operators are told of the room. */
export interface RoomPart {
  code: string | null
  hosts: HostEntry[]
  presenters: PresenterEntry[]
  links: LinkEntry[]
  places: PlacesEntry[]
  media: RoomMedia
  rejected: { [name: string]: number }
}

/** The state as one participant is told it. */
export interface State {
  deck: DeckPart
  you: YouPart
  media: MediaPart
  started: number | null
  room?: RoomPart
  laser?: Position | null
}

/** Make a peer connection. */
export interface Offer {
  type: 'offer'
  generation: number
  sdp: string
  privacy?: 'open' | 'balanced' | 'private'
  network?: string
}

/** A candidate for the offer of that generation; null is the end of them. */
export interface Candidate {
  type: 'candidate'
  generation: number
  candidate?: IceCandidate | null
}

/** Send the whole state. */
export interface GetState {
  type: 'get_state'
}

/** The host itself opened this page on its own computer, and gave it this: its keyboard may click. */
export interface LocalGrant {
  type: 'local_grant'
  grant: string
}

/** Send the picture of a slide, about so many pixels wide, in at most so many bytes. */
export interface PictureRequest {
  type: 'picture'
  id: number
  slide: number
  width: number
  most?: number
}

/** Make a media connection with these lines. */
export interface MediaOffer {
  type: 'media_offer'
  generation: number
  sdp: string
  lines: string[]
  privacy?: 'open' | 'balanced' | 'private'
  network?: string
}

/** What is switched on at the page. */
export interface MediaOn {
  type: 'media_on'
  camera?: boolean
  microphone?: boolean
  screen?: boolean
}

/** End the media connection of that generation. */
export interface MediaClose {
  type: 'media_close'
  generation: number
}

/** A candidate for the media connection of that generation; null is the end of them. */
export interface MediaCandidate {
  type: 'media_candidate'
  generation: number
  candidate?: IceCandidate | null
}

/** The state, or what of it changed since another version. */
export interface StateMessage {
  type: 'state'
  version: number
  since?: number
  deck?: Partial<DeckPart>
  you?: Partial<YouPart>
  media?: Partial<MediaPart>
  started?: number | null
  room?: Partial<RoomPart>
  laser?: Position | null
}

/** The answer to the offer of that generation. */
export interface Answer {
  type: 'answer'
  generation: number
  sdp: string
  network?: string
}

/** Make a new offer. */
export interface Reoffer {
  type: 'reoffer'
}

/** There is no such picture, and why. */
export interface NoPicture {
  type: 'no_picture'
  id: number
  reason: string
}

/** What became of a command: it was done, or why not. */
export interface Reply {
  type: 'reply'
  id: number
  ok: boolean
  error?: CommandFault
  link?: string
  url?: string
  count?: number
}

/** The laser is here now; null: it is off. Deck pages only. */
export interface LaserMoved {
  type: 'laser'
  at: Position | null
}

/** The session is over for good, and why. */
export interface Closed {
  type: 'closed'
  code: string
  reason: string
}

/** Something that was asked for cannot be done. */
export interface Error {
  type: 'error'
  code: string
  message: string
}

/** The answer to the media offer of that generation. */
export interface MediaAnswer {
  type: 'media_answer'
  generation: number
  sdp: string
  network?: string
}

/** The media offer of that generation is not taken, and why. */
export interface MediaRefused {
  type: 'media_refused'
  generation: number
  code: string
  message: string
}

/** Perform nothing of this presenter any more, or again. */
export interface Mute {
  name: 'mute'
  session: number
  muted?: boolean
}

/** Let this presenter in. */
export interface Admit {
  name: 'admit'
  session: number
}

/** Send this presenter away. */
export interface Remove {
  name: 'remove'
  session: number
}

/** Make a link. Times are in seconds from now. */
export interface MakeLink {
  name: 'make_link'
  role?: 'view' | 'laser' | 'click' | 'operator'
  label?: string
  opens_in?: number | null
  expires_in?: number | null
  first?: number | null
  last?: number | null
  one_device?: boolean
  by_hand?: boolean
}

/** End this link for good. */
export interface RevokeLink {
  name: 'revoke_link'
  link: string
}

/** Give a link for one device to the next device that opens it. */
export interface FreeLink {
  name: 'free_link'
  link: string
}

/** Send away all that came by this link, or those of them at one address, but not who asks for it. */
export interface SendAway {
  name: 'send_away'
  link: string
  origin?: number | null
}

/** Share the host's screen, or hide it. */
export interface ShareScreen {
  name: 'share_screen'
  on?: boolean
}

/** Put this presenter on air; null: none. */
export interface OnAir {
  name: 'on_air'
  session?: number | null
}

/** Begin to record who is on air, or end it. */
export interface RecordAir {
  name: 'record'
  on?: boolean
}

/** End the show, and all its links. */
export interface EndShow {
  name: 'end_show'
}

/** What an operator asks for. */
export type CommandRequest =
  | Mute
  | Admit
  | Remove
  | MakeLink
  | RevokeLink
  | FreeLink
  | SendAway
  | ShareScreen
  | OnAir
  | RecordAir
  | EndShow

/** An operator's command. */
export type Command = { type: 'command'; id: number } & CommandRequest

/** What a presenter may say. */
export type FromPresenter =
  | Offer
  | Candidate
  | GetState
  | LocalGrant
  | PictureRequest
  | MediaOffer
  | MediaOn
  | MediaClose
  | MediaCandidate
  | Command

/** What a host may say. */
export type FromHost =
  | StateMessage
  | Answer
  | Candidate
  | Reoffer
  | NoPicture
  | Reply
  | LaserMoved
  | Closed
  | Error
  | MediaAnswer
  | MediaRefused
  | MediaCandidate

/** What a host's message must have: numbers (after #) and texts. */
const NEEDED: { [type: string]: string } = {
  state: '#version',
  answer: '#generation sdp',
  candidate: '#generation',
  reoffer: '',
  no_picture: '#id reason',
  reply: '#id',
  laser: '',
  closed: '',
  error: '',
  media_answer: '#generation sdp',
  media_refused: '#generation code message',
  media_candidate: '#generation',
}

/** Null: it is none, or one of a later version. */
export function readFromHost(value: unknown): FromHost | null {
  const message = value as { type: string; [field: string]: unknown } | null
  const needed = NEEDED[message?.type ?? '']?.split(' ') ?? ['type?']
  const has = (field: string): boolean =>
    !field || typeof message?.[field.replace('#', '')] === (field[0] === '#' ? 'number' : 'string')
  return needed.every(has) ? (message as unknown as FromHost) : null
}
