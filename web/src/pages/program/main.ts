/* The program page: who is on air, full-screen, with sound, for OBS, vMix or a screen behind the stage. It has no controls,
 * and says something only before it has ever worked, or where a browser keeps the sound off. */

import { PresenterConnection, type ConnectionEvent } from '../../transport/connection.ts'
import { MediaConnection } from '../../media/media_connection.ts'
import { find } from '../../ui/dom.ts'
import { enter, identity, socketUrl } from '../../ui/enter.ts'
import { showError } from '../../ui/error_page.ts'
import { readState } from '../../ui/state.ts'
import { keepScreenOn } from '../../ui/wake_lock.ts'
import { OnAir } from './on_air.ts'

const LOOK_EVERY = 200

const video = find<HTMLVideoElement>('video')
const unmute = find('unmute')
const onAir = new OnAir()
let media: MediaConnection | null = null
let known = false
let letScreenSleep = (): void => undefined

/** With sound, if the browser lets us; else the picture alone, and a line that says why. */
async function play(): Promise<void> {
  video.muted = false
  try {
    await video.play()
    unmute.hidden = true
  } catch (error) {
    if ((error as Error).name !== 'NotAllowedError') return // another stream came meanwhile
    video.muted = true
    unmute.hidden = false
    await video.play().catch(() => undefined)
  }
}

/** Picture and sound are one stream, so that they stay together. */
let stream = new MediaStream()
function received(track: MediaStreamTrack): void {
  const others = stream.getTracks().filter((other) => other.kind !== track.kind)
  stream = new MediaStream([...others, track])
  video.srcObject = stream
  void play()
}

async function look(): Promise<void> {
  onAir.counted(performance.now(), (await media?.frames('program')) ?? 0)
  show()
}

function show(): void {
  video.hidden = !onAir.isShown(performance.now())
}

function happened(event: ConnectionEvent): void {
  switch (event.type) {
    case 'session':
      showError(null)
      media?.sessionBegan()
      media?.open()
      break
    case 'path_lost':
      media?.pathSilent()
      break
    case 'message':
      if (event.message.type !== 'state') break
      known = true
      onAir.told(performance.now(), readState(event.message).media.on_air === true)
      show()
      break
    case 'error':
      if (event.final) letScreenSleep()
      // On a stream an error is worse than black. In front of the technician who sets it up it is not.
      if (!known) showError(event)
      else if (event.final) media?.close()
      break
    default: // nothing of this is seen
  }
}

const entrance = enter()
if ('error' in entrance) {
  showError({ code: entrance.error, message: '', final: true })
} else {
  if (new URLSearchParams(location.search).get('fit') === 'cover') video.dataset['fit'] = 'cover'
  const connection = new PresenterConnection(entrance.link, identity('program'), socketUrl(), happened)
  media = new MediaConnection(['program', 'program_sound'], connection, { changed: () => undefined, received: (_, track) => received(track) })
  void connection.start()
  letScreenSleep = keepScreenOn()
  setInterval(() => void look(), LOOK_EVERY)
  document.addEventListener('click', () => void play())
}
