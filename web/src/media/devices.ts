/* The camera and the microphone of this computer: asked for, chosen among, lost and found again. Nothing here sends
 * anything. What is on here is heard and seen by this page only, until its track is given to a connection.
 *
 * A device that vanishes is not replaced by another one: no one is shown by a camera that they did not choose. It is taken
 * again when it is back. */

import { type Kind, type Refusal, refusalCode, type RefusalCode, refusalWords } from './refusals.ts'

export interface Choice {
  id: string
  label: string
}

const KINDS: readonly Kind[] = ['camera', 'microphone']
const BROWSERS_KIND: { [kind in Kind]: MediaDeviceKind } = { camera: 'videoinput', microphone: 'audioinput' }

/** Another one may well be had when the one is not. */
const SAYS_NOTHING_OF_THE_OTHER = new Set(['NotFoundError', 'NotReadableError', 'AbortError', 'OverconstrainedError'])

interface Device {
  track: MediaStreamTrack | null
  refusal: Refusal | null
  choices: Choice[]
  /** Which one was chosen; '' leaves it to the browser. */
  chosen: string
  /** So it was before the page was loaded anew: it need not be there today. */
  isMemory: boolean
  /** It was on when it vanished, or the first one is waited for. */
  awaited: boolean
  asking: boolean
}

const remembered = (kind: Kind, id?: string): string => {
  try {
    if (id !== undefined) sessionStorage.setItem(`slidewire ${kind}`, id)
    return sessionStorage.getItem(`slidewire ${kind}`) ?? ''
  } catch {
    return id ?? ''
  }
}

const begin = (kind: Kind): Device => {
  const rest = { track: null, refusal: null, choices: [], awaited: false, asking: false }
  return { ...rest, chosen: remembered(kind), isMemory: true }
}

export class Devices {
  readonly camera = begin('camera')
  readonly microphone = begin('microphone')

  /** `changed`: something here is different; for `track`, which one is on. */
  constructor(private readonly changed: (track: Kind | null) => void) {
    navigator.mediaDevices?.addEventListener?.('devicechange', () => void this.#devicesChanged())
  }

  /** Have these on. Both are asked for at once, so that the browser asks its user once. */
  async open(kinds: readonly Kind[] = KINDS): Promise<void> {
    const wanted = kinds.filter((kind) => !this[kind].track && !this[kind].asking)
    if (wanted.length === 0) return
    if (!navigator.mediaDevices?.getUserMedia) {
      for (const kind of wanted) this.#refuse(kind, globalThis.isSecureContext ? 'unsupported' : 'insecure')
      return
    }
    for (const kind of wanted) this[kind].asking = true
    this.changed(null)
    await this.#ask(wanted)
    for (const kind of wanted) this[kind].asking = false
    await this.#list()
    this.changed(null)
  }

  /** Let go of it: its light goes out. */
  close(kind: Kind): void {
    const { track } = this[kind]
    this[kind].track = this[kind].refusal = null
    this[kind].awaited = false
    track?.stop()
    if (track) this.changed(kind)
  }

  async choose(kind: Kind, id: string): Promise<void> {
    const device = this[kind]
    device.asking = true // it is being changed, not switched off
    this.close(kind) // first: not every phone has two cameras on at once
    Object.assign(device, { chosen: remembered(kind, id), isMemory: false, asking: false })
    await this.open([kind])
  }

  async #ask(kinds: readonly Kind[]): Promise<void> {
    try {
      const stream = await navigator.mediaDevices.getUserMedia(Object.fromEntries(kinds.map((kind) => this.#constraint(kind))))
      for (const kind of kinds) this.#take(kind, stream.getTracks().find((track) => track.kind === (kind === 'camera' ? 'video' : 'audio')))
    } catch (error) {
      const why = error as { name: string; message: string }
      const forgotten = kinds.filter((kind) => this[kind].isMemory && this[kind].chosen)
      if (why.name === 'OverconstrainedError' && forgotten.length > 0) {
        for (const kind of forgotten) this[kind].chosen = remembered(kind, '')
        await this.#ask(kinds)
        return
      }
      const permissions = await Promise.all(kinds.map(permission))
      // Which of the two is it? Who refused one, or has none, may have the other.
      const isMixed = new Set(permissions).size > 1 && permissions.includes('denied')
      if (kinds.length > 1 && (isMixed || SAYS_NOTHING_OF_THE_OTHER.has(why.name))) {
        for (const kind of kinds) await this.#ask([kind])
        return
      }
      kinds.forEach((kind, index) => {
        const around = { permission: permissions[index] ?? null, allowedByPolicy: allowedByPolicy(kind), userAgent: navigator.userAgent }
        this.#refuse(kind, refusalCode(why, around))
      })
    }
  }

  #constraint(kind: Kind): [name: 'video' | 'audio', constraint: MediaTrackConstraints] {
    const { chosen } = this[kind]
    const device = chosen ? { deviceId: { exact: chosen } } : {}
    if (kind === 'microphone') return ['audio', { ...device, echoCancellation: true, noiseSuppression: true, autoGainControl: true }]
    const side = chosen ? {} : { facingMode: 'user' }
    return ['video', { ...device, ...side, width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } }]
  }

  #take(kind: Kind, track: MediaStreamTrack | undefined): void {
    const device = this[kind]
    if (!track) {
      this.#refuse(kind, 'failed')
      return
    }
    Object.assign(device, { track, refusal: null, awaited: false, isMemory: false })
    device.chosen = track.getSettings().deviceId ?? device.chosen
    track.addEventListener('ended', () => void this.#ended(kind, track))
    for (const type of ['mute', 'unmute']) track.addEventListener(type, () => this.changed(null))
    this.changed(kind)
  }

  #refuse(kind: Kind, code: RefusalCode): void {
    this[kind].refusal = refusalWords(code, kind, navigator.userAgent)
    this[kind].awaited = code === 'missing' || code === 'unplugged'
    if (code === 'not_there') this[kind].chosen = remembered(kind, '')
    this.changed(null)
  }

  /** Not by us: the device is gone, or the permission is. Or neither, and it can be had again: Chromium ends both where
   * the permission for one is taken back. */
  async #ended(kind: Kind, track: MediaStreamTrack): Promise<void> {
    const device = this[kind]
    if (device.track !== track) return
    Object.assign(device, { track: null, asking: true })
    const isDenied = (await permission(kind)) === 'denied'
    await this.#list()
    device.asking = false
    if (!isDenied && device.choices.some(({ id }) => id === device.chosen)) {
      await this.open([kind])
      return
    }
    this.#refuse(kind, isDenied ? 'withdrawn' : 'unplugged')
  }

  async #devicesChanged(): Promise<void> {
    await this.#list()
    this.changed(null)
    const back = KINDS.filter((kind) => {
      const { awaited, refusal, chosen, choices } = this[kind]
      return awaited && (refusal?.code === 'missing' ? choices.length > 0 : choices.some(({ id }) => id === chosen))
    })
    await this.open(back)
  }

  async #list(): Promise<void> {
    const all = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? []
    for (const kind of KINDS) {
      const ours = all.filter((device) => device.kind === BROWSERS_KIND[kind] && device.deviceId)
      this[kind].choices = ours.map(({ deviceId, label }, index) => ({ id: deviceId, label: label || `${kind} ${index + 1}` }))
    }
  }
}

async function permission(kind: Kind): Promise<PermissionState | null> {
  try {
    return (await navigator.permissions.query({ name: kind as PermissionName })).state
  } catch {
    return null // not every browser tells
  }
}

function allowedByPolicy(kind: Kind): boolean {
  const { featurePolicy } = document as { featurePolicy?: { allowsFeature?(name: string): boolean } }
  return featurePolicy?.allowsFeature?.(kind) !== false
}
