/* The speaker's panel for camera and microphone: what it looks like, and nothing else. It lies over the slide and leaves
 * the buttons free: a speaker who looks for a camera can still click. */

import { setAttribute, setText } from '../ui/dom.ts'
import { button, element } from '../ui/elements.ts'
import type { Devices } from './devices.ts'
import { LevelMeter } from './level.ts'
import type { Kind } from './refusals.ts'
import type { Tone } from './words.ts'

export interface PanelOwner {
  devices: Devices
  /** Which of them this link may send. */
  kinds(): Kind[]
  isOn(kind: Kind): boolean
  /** Whether the microphone is kept, but silent. */
  isMuted(): boolean
  hears(): boolean
  status(): { tone: Tone; text: string }
  switchTo(kind: Kind, on: boolean): void
  hear(on: boolean): void
  preview(kind: Kind): void
  stop(): void
  closed(): void
}

const NAMES: { [kind in Kind]: string } = { camera: 'Camera', microphone: 'Microphone' }

interface Row {
  section: HTMLElement
  toggle: HTMLButtonElement
  select: HTMLSelectElement
  refusal: HTMLElement
  title: HTMLElement
  advice: HTMLElement
  /** Why nothing comes of a device that is on. */
  held: HTMLElement
}

function toggle(words: string, id: string, pressed: (on: boolean) => void): HTMLButtonElement {
  const made = button(words, 'switch', () => pressed(made.getAttribute('aria-checked') !== 'true'))
  made.setAttribute('role', 'switch')
  made.setAttribute('aria-checked', 'false')
  made.dataset['testid'] = id
  return made
}

export class Panel {
  readonly root: HTMLElement
  readonly #view: HTMLElement
  readonly #video = element('video', 'self') as HTMLVideoElement
  readonly #noPicture = element('p', 'placeholder')
  readonly #status = element('p', 'media-status')
  readonly #rows: { [kind in Kind]: Row }
  readonly #level = element('div', 'level')
  readonly #hear: HTMLButtonElement
  readonly #stop: HTMLButtonElement
  readonly #meter: LevelMeter
  #metered: MediaStreamTrack | null = null
  #shown: MediaStreamTrack | null = null

  constructor(private readonly owner: PanelOwner) {
    const title = element('h2', '', 'Camera and microphone')
    title.id = 'media-title'
    const close = button('Close', 'close', () => this.close())
    this.#video.muted = this.#video.playsInline = this.#video.autoplay = true
    this.#video.setAttribute('aria-label', 'Your camera, as in a mirror')
    this.#status.setAttribute('role', 'status')
    this.#status.dataset['testid'] = 'media-status'
    const bar = element('span', '')
    this.#level.append(bar)
    this.#level.setAttribute('role', 'meter')
    for (const [name, value] of [['label', 'Microphone level'], ['valuemin', '0'], ['valuemax', '100']] as const) {
      this.#level.setAttribute(`aria-${name}`, value)
    }
    this.#meter = new LevelMeter((level) => {
      bar.style.transform = `scaleX(${level})`
      this.#level.setAttribute('aria-valuenow', String(Math.round(level * 100)))
    })
    this.#rows = { camera: this.#row('camera'), microphone: this.#row('microphone') }
    this.#rows.microphone.section.append(this.#level)
    this.#hear = toggle('Hear the operator', 'hear', (on) => owner.hear(on))
    const hearing = element('div', 'device alone', this.#hear, element('p', 'quiet', 'With headphones, the room does not hear itself.'))
    this.#stop = button('Stop camera and microphone', 'stop', () => owner.stop())
    this.#view = element('div', 'self-view', this.#video, this.#noPicture)
    const head = element('div', 'media-head', title, close)
    const devices = element('div', 'devices', this.#status, this.#rows.camera.section, this.#rows.microphone.section, hearing, this.#stop)
    this.root = element('section', 'media-panel', head, this.#view, devices)
    this.root.dataset['testid'] = 'media-panel'
    this.root.tabIndex = -1
    this.root.setAttribute('role', 'dialog')
    this.root.setAttribute('aria-labelledby', 'media-title')
    this.root.addEventListener('keydown', ({ key }) => {
      if (key === 'Escape') this.close()
    })
  }

  get isOpen(): boolean {
    return this.root.isConnected
  }

  open(into: HTMLElement): void {
    into.append(this.root)
    this.render()
    this.root.focus()
  }

  close(): void {
    this.root.remove()
    this.#meter.listen(null)
    this.#metered = null
    this.owner.closed()
  }

  render(): void {
    if (!this.isOpen) return
    const { owner } = this
    const kinds = owner.kinds()
    for (const kind of ['camera', 'microphone'] as const) this.#renderRow(kind, kinds.includes(kind))
    const { camera, microphone } = owner.devices
    if (this.#shown !== camera.track) {
      this.#shown = camera.track
      this.#video.srcObject = camera.track && new MediaStream([camera.track])
    }
    this.#video.hidden = !camera.track
    this.#view.classList.toggle('empty', !camera.track)
    setText(this.#noPicture, camera.track ? '' : camera.asking ? 'Your browser asks whether this page may use it: choose Allow.' : 'The camera is off')
    const heard = owner.isMuted() ? null : microphone.track
    if (this.#metered !== heard) this.#meter.listen((this.#metered = heard))
    this.#level.hidden = !microphone.track
    const { tone, text } = owner.status()
    setText(this.#status, text)
    setAttribute(this.#status, 'data-tone', tone)
    setAttribute(this.#hear, 'aria-checked', String(owner.hears()))
    this.#stop.hidden = !camera.track && !microphone.track
  }

  #row(kind: Kind): Row {
    const { owner } = this
    const name = NAMES[kind]
    const select = element('select', '') as HTMLSelectElement
    select.setAttribute('aria-label', `Which ${kind}`)
    select.dataset['testid'] = `choose-${kind}`
    select.addEventListener('change', () => void owner.devices.choose(kind, select.value))
    const title = element('strong', '')
    const advice = element('p', '')
    const refusal = element('div', 'refusal', title, advice, button('Try again', 'again', () => owner.preview(kind)))
    refusal.setAttribute('role', 'alert')
    refusal.dataset['testid'] = `refusal-${kind}`
    const flip = toggle(name, `send-${kind}`, (on) => owner.switchTo(kind, on))
    flip.setAttribute('aria-label', `Send ${kind}`)
    const held = element('p', 'held')
    const section = element('div', 'device', flip, select, held, refusal)
    section.setAttribute('role', 'group')
    section.setAttribute('aria-label', name)
    return { section, toggle: flip, select, refusal, title, advice, held }
  }

  #renderRow(kind: Kind, allowed: boolean): void {
    const { section, toggle: flip, select, refusal, title, advice, held } = this.#rows[kind]
    const device = this.owner.devices[kind]
    section.hidden = !allowed
    setAttribute(flip, 'aria-checked', String(this.owner.isOn(kind)))
    flip.disabled = device.asking
    const options = device.choices.map(({ id, label }) => `${id} ${label}`).join('\n')
    if (select.dataset['options'] !== options) {
      select.dataset['options'] = options
      const none = new Option('Choose…', '')
      none.hidden = true
      select.replaceChildren(none, ...device.choices.map(({ id, label }) => new Option(label, id)))
    }
    select.hidden = device.choices.length === 0
    const current = device.choices.some(({ id }) => id === device.chosen) ? device.chosen : ''
    if (select.value !== current) select.value = current
    setText(held, device.track?.muted ? 'Held back by the system, a call, or a switch on the device.' : '')
    refusal.hidden = !device.refusal
    if (!device.refusal) return
    setText(title, device.refusal.title)
    setText(advice, device.refusal.advice)
    setAttribute(refusal, 'data-code', device.refusal.code)
  }
}
