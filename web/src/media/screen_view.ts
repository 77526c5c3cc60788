/* The screen as it is now, in place of the slide's picture. It lies over that picture, which is kept up to date: when the
 * live one stalls, the slide is there again at once. */

import { setAttribute, setText } from '../ui/dom.ts'
import { button, element } from '../ui/elements.ts'
import { Freshness } from './freshness.ts'
import type { MediaConnection } from './media_connection.ts'
import { screenWords } from './words.ts'

const LOOK_EVERY = 500
/** That the screen is shared no more is said for as long as it takes to be read. */
const OVER_SAID_FOR = 10_000

type AppleVideo = HTMLVideoElement & { webkitEnterFullscreen?(): void }

export class ScreenView {
  wanted = false
  readonly #video = element('video', 'live') as AppleVideo
  readonly #tools: HTMLElement
  readonly #words = element('p', 'live-words')
  #freshness = new Freshness()
  #timer: ReturnType<typeof setInterval> | undefined
  #isOver = false
  #overSaid: ReturnType<typeof setTimeout> | undefined

  constructor(
    pad: HTMLElement,
    private readonly media: MediaConnection,
  ) {
    this.#video.muted = this.#video.playsInline = this.#video.autoplay = true
    this.#video.hidden = true
    this.#video.dataset['testid'] = 'live-picture'
    this.#video.setAttribute('aria-label', 'The screen, live')
    const inPicture = button('Small window', 'in-picture', () => void this.#video.requestPictureInPicture().catch(() => undefined))
    inPicture.hidden = !document.pictureInPictureEnabled
    const full = button('Full screen', 'full', () => this.#goFull())
    full.hidden = !this.#video.requestFullscreen && !this.#video.webkitEnterFullscreen
    this.#tools = element('div', 'live-tools', inPicture, full)
    this.#tools.hidden = true
    this.#words.setAttribute('role', 'status')
    pad.append(this.#video, this.#words, this.#tools)
  }

  /** How wide the picture that is looked at is to its height; null while it is the slide's. */
  get ratio(): number | null {
    return this.#video.hidden || !this.#video.videoHeight ? null : this.#video.videoWidth / this.#video.videoHeight
  }

  want(wanted: boolean): void {
    if (this.wanted === wanted) return
    this.wanted = wanted
    this.media.wantsScreen = wanted
    clearInterval(this.#timer)
    if (wanted) this.#timer = setInterval(() => void this.#look(), LOOK_EVERY)
    else if (document.pictureInPictureElement === this.#video) void document.exitPictureInPicture()
    this.#show()
  }

  /** What the host says. Who watched is told that it is over. */
  set shared(shared: boolean) {
    const isOver = !shared && (this.#isOver || this.wanted)
    if (!shared) this.want(false)
    if (isOver === this.#isOver) return
    this.#isOver = isOver
    clearTimeout(this.#overSaid)
    if (isOver) this.#overSaid = setTimeout(() => this.#forgetOver(), OVER_SAID_FOR)
    this.#show()
  }

  #forgetOver(): void {
    this.#isOver = false
    this.#show()
  }

  received(track: MediaStreamTrack): void {
    this.#freshness = new Freshness()
    this.#video.srcObject = new MediaStream([track])
    void this.#video.play().catch(() => undefined)
  }

  async #look(): Promise<void> {
    this.#freshness.counted(performance.now(), await this.media.frames('screen'))
    this.#show()
  }

  #show(): void {
    const isLive = this.wanted && this.media.connectionState === 'open' && this.#freshness.isFresh(performance.now())
    this.#video.hidden = this.#tools.hidden = !isLive
    const { connectionState, refusal } = this.media
    setText(this.#words, screenWords({ wanted: this.wanted, isLive, isOver: this.#isOver, connectionState, refusal }))
    setAttribute(this.#words, 'data-connection-state', connectionState)
  }

  #goFull(): void {
    if (this.#video.requestFullscreen) void this.#video.requestFullscreen().catch(() => undefined)
    else this.#video.webkitEnterFullscreen?.()
  }
}
