/* Asking for camera and microphone: once for both, each by itself where one is not to be had, and what happens when a
 * device goes and comes. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Devices } from '../../src/media/devices.ts'
import { FakeTrack } from '../support/browserlike.ts'

type Kinds = 'camera' | 'microphone'
interface Plugged {
  kind: MediaDeviceKind
  deviceId: string
  label: string
}
const CAMERA: Plugged = { kind: 'videoinput', deviceId: 'cam', label: 'Built-in camera' }
const OTHER: Plugged = { kind: 'videoinput', deviceId: 'usb', label: 'USB camera' }
const MICROPHONE: Plugged = { kind: 'audioinput', deviceId: 'mic', label: 'Built-in microphone' }

const error = (name: string, message = ''): Error => Object.assign(new Error(message), { name })

class FakeMedia extends EventTarget {
  plugged = [CAMERA, MICROPHONE]
  asked: MediaStreamConstraints[] = []
  tracks: FakeTrack[] = []
  /** What goes wrong with a device, if anything. */
  fails: { [kind in Kinds]?: Error } = {}
  enumerateDevices = async (): Promise<Plugged[]> => this.plugged
  getUserMedia = async (constraints: MediaStreamConstraints): Promise<{ getTracks(): FakeTrack[] }> => {
    this.asked.push(constraints)
    const tracks: FakeTrack[] = []
    for (const [name, kind, input] of [['video', 'camera', 'videoinput'], ['audio', 'microphone', 'audioinput']] as const) {
      const wanted = constraints[name] as MediaTrackConstraints | undefined
      if (!wanted) continue
      if (this.fails[kind]) throw this.fails[kind]
      const there = this.plugged.filter((device) => device.kind === input)
      if (there.length === 0) throw error('NotFoundError')
      const id = (wanted.deviceId as { exact?: string } | undefined)?.exact
      const device = id ? there.find(({ deviceId }) => deviceId === id) : there[0]
      if (!device) throw error('OverconstrainedError')
      tracks.push(new FakeTrack(name, { deviceId: device.deviceId }))
    }
    this.tracks.push(...tracks)
    return { getTracks: () => tracks }
  }
  plug(...devices: Plugged[]): void {
    this.plugged = devices
    this.dispatchEvent(new Event('devicechange'))
  }
}

let media = new FakeMedia()
let permissions: { [name: string]: PermissionState } = {}
const storage = new Map<string, string>()

beforeEach(() => {
  media = new FakeMedia()
  permissions = {}
  storage.clear()
  const query = async ({ name }: { name: string }): Promise<{ state: PermissionState | undefined }> => {
    if (!permissions[name]) throw new TypeError('not known here')
    return { state: permissions[name] }
  }
  vi.stubGlobal('navigator', { mediaDevices: media, permissions: { query }, userAgent: 'X11; Linux' })
  vi.stubGlobal('document', {})
  vi.stubGlobal('isSecureContext', true)
  vi.stubGlobal('sessionStorage', { getItem: (key: string) => storage.get(key) ?? null, setItem: (key: string, value: string) => storage.set(key, value) })
})
afterEach(() => vi.unstubAllGlobals())

const noted: (Kinds | null)[] = []
const make = (): Devices => {
  noted.length = 0
  return new Devices((kind) => void noted.push(kind))
}
const codes = (devices: Devices): (string | undefined)[] => [devices.camera.refusal?.code, devices.microphone.refusal?.code]

test('both are asked for at once, and what there is to choose from is known', async () => {
  const devices = make()
  await devices.open()
  expect(media.asked.length).toBe(1)
  expect(codes(devices)).toEqual([undefined, undefined])
  expect(devices.camera.choices).toEqual([{ id: 'cam', label: 'Built-in camera' }])
  expect([devices.camera.chosen, devices.microphone.chosen]).toEqual(['cam', 'mic'])
  expect(noted).toContain('camera')
  await devices.open()
  expect(media.asked.length, 'they are on already').toBe(1)
})

test('without a camera the microphone is there all the same, and a camera plugged in later is taken', async () => {
  media.plugged = [MICROPHONE]
  const devices = make()
  await devices.open()
  expect(codes(devices)).toEqual(['missing', undefined])
  expect(devices.microphone.track).not.toBeNull()
  media.plug(CAMERA, MICROPHONE)
  await vi.waitFor(() => expect(devices.camera.track).not.toBeNull())
  expect(codes(devices)).toEqual([undefined, undefined])
})

test.each(['camera', 'microphone'] as const)('a %s that is in use does not cost the other one', async (kind) => {
  media.fails[kind] = error('NotReadableError', 'Device in use')
  const devices = make()
  await devices.open()
  expect(devices[kind].refusal?.code).toBe('busy')
  expect(devices[kind === 'camera' ? 'microphone' : 'camera'].track).not.toBeNull()
})

test('who refuses both is asked no second time by itself', async () => {
  media.fails = { camera: error('NotAllowedError', 'Permission dismissed'), microphone: error('NotAllowedError', 'Permission dismissed') }
  permissions = { camera: 'prompt', microphone: 'prompt' }
  const devices = make()
  await devices.open()
  expect(media.asked.length).toBe(1)
  expect(codes(devices)).toEqual(['dismissed', 'dismissed'])
})

test('who blocked only the camera is heard', async () => {
  media.fails.camera = error('NotAllowedError', 'Permission denied')
  permissions = { camera: 'denied', microphone: 'granted' }
  const devices = make()
  await devices.open()
  expect(codes(devices)).toEqual(['denied', undefined])
  expect(devices.microphone.track).not.toBeNull()
})

test('a page that is not secure, a browser that has none, a server that forbids it', async () => {
  vi.stubGlobal('navigator', { userAgent: '' })
  const none = make()
  await none.open()
  expect(codes(none)).toEqual(['unsupported', 'unsupported'])
  vi.stubGlobal('isSecureContext', false)
  await none.open()
  expect(codes(none)).toEqual(['insecure', 'insecure'])
  vi.stubGlobal('navigator', { mediaDevices: media, userAgent: '' })
  vi.stubGlobal('document', { featurePolicy: { allowsFeature: (name: string) => name !== 'camera' } })
  media.fails.camera = error('NotAllowedError', 'Permission denied')
  const forbidden = make()
  await forbidden.open(['camera'])
  expect(forbidden.camera.refusal?.code).toBe('policy')
})

test('a camera that is unplugged is replaced by no other, and taken again when it is back', async () => {
  media.plugged = [CAMERA, OTHER, MICROPHONE]
  const devices = make()
  await devices.choose('camera', 'usb')
  expect(devices.camera.chosen).toBe('usb')
  media.tracks.at(-1)?.vanish()
  media.plug(CAMERA, MICROPHONE)
  await vi.waitFor(() => expect(devices.camera.refusal?.code).toBe('unplugged'))
  await vi.waitFor(() => expect(devices.camera.choices.length).toBe(1))
  expect(devices.camera.track).toBeNull()
  media.plug(CAMERA, OTHER, MICROPHONE)
  await vi.waitFor(() => expect(devices.camera.track).not.toBeNull())
  expect(devices.camera.chosen).toBe('usb')
})

test('a permission taken back is told from a device that is gone', async () => {
  permissions = { camera: 'granted' }
  const devices = make()
  await devices.open(['camera'])
  permissions = { camera: 'denied' }
  media.tracks[0]?.vanish()
  await vi.waitFor(() => expect(devices.camera.refusal?.code).toBe('withdrawn'))
})

test('what was chosen before a reload is taken again, and forgotten if it is not there', async () => {
  media.plugged = [CAMERA, OTHER, MICROPHONE]
  await make().choose('camera', 'usb')
  const again = make()
  await again.open(['camera'])
  expect(again.camera.chosen).toBe('usb')
  media.plugged = [CAMERA, MICROPHONE]
  const elsewhere = make()
  await elsewhere.open(['camera'])
  expect([elsewhere.camera.chosen, elsewhere.camera.refusal]).toEqual(['cam', null])
})

test('one that is chosen and not there is said, never silently replaced', async () => {
  const devices = make()
  await devices.open(['camera'])
  await devices.choose('camera', 'usb')
  expect([devices.camera.refusal?.code, devices.camera.track]).toEqual(['not_there', null])
})

test('closed is closed: the light goes out, and that is no loss', async () => {
  const devices = make()
  await devices.open()
  devices.close('camera')
  expect(media.tracks[0]?.readyState).toBe('ended')
  expect([devices.camera.track, devices.camera.refusal]).toEqual([null, null])
  media.plug(CAMERA, MICROPHONE)
  await Promise.resolve()
  expect(media.asked.length).toBe(1)
})
