/* What the m-lines of a media connection are for, seen from the room (control.md §8), and which codecs each prefers. */

export type Line = 'screen' | 'camera' | 'microphone' | 'sound' | 'program' | 'program_sound' | 'talkback'

export const kindOf = (line: Line): 'video' | 'audio' => (['screen', 'camera', 'program'].includes(line) ? 'video' : 'audio')

export const isFromPage = (line: Line): boolean => ['camera', 'microphone', 'talkback'].includes(line)

/** In order of preference; what is not here is not offered. What is sent in a video is VP8, because browsers protect that
 * one with RED and ULPFEC; received is either, and FlexFEC. Audio in RED first, else no browser sends it so. */
const WANTED = {
  sent: ['video/vp8', 'video/rtx', 'video/red', 'video/ulpfec'],
  received: ['video/vp8', 'video/h264', 'video/rtx', 'video/red', 'video/ulpfec', 'video/flexfec-03'],
  audio: ['audio/red', 'audio/opus'],
}

type Codec = Pick<RTCRtpCodec, 'mimeType'>

export function inOrder<T extends Codec>(line: Line, codecs: readonly T[]): T[] {
  const wanted = kindOf(line) === 'audio' ? WANTED.audio : isFromPage(line) ? WANTED.sent : WANTED.received
  const rank = ({ mimeType }: Codec): number => wanted.indexOf(mimeType.toLowerCase())
  return codecs.filter((codec) => rank(codec) >= 0).toSorted((a, b) => rank(a) - rank(b))
}

/** Video gives way to the voice, and both to everything else. */
const ENCODING: { [kind in 'video' | 'audio']: RTCRtpEncodingParameters } = {
  video: { maxBitrate: 2_500_000, maxFramerate: 30, priority: 'low', networkPriority: 'low' },
  audio: { maxBitrate: 64_000, priority: 'medium', networkPriority: 'medium' },
}

export function addLine(connection: RTCPeerConnection, line: Line): RTCRtpTransceiver {
  const kind = kindOf(line)
  const transceiver = connection.addTransceiver(
    kind,
    isFromPage(line) ? { direction: 'sendonly', sendEncodings: [ENCODING[kind]] } : { direction: 'recvonly' },
  )
  const codecs = inOrder(line, RTCRtpReceiver.getCapabilities?.(kind)?.codecs ?? [])
  try {
    if (codecs.length > 0) transceiver.setCodecPreferences?.(codecs)
  } catch {
    // A browser that has its own order keeps it: the host takes what it is offered.
  }
  return transceiver
}

/** The short side of a picture that is sent, at most. */
const SHORT_SIDE = 720

/** Sends this track from now on, or nothing, without a new negotiation. */
export async function sendTrack(sender: RTCRtpSender, track: MediaStreamTrack | null): Promise<void> {
  await sender.replaceTrack(track)
  if (track?.kind !== 'video') return
  const { width = 0, height = 0 } = track.getSettings()
  const parameters = sender.getParameters()
  const [encoding] = parameters.encodings ?? []
  if (!encoding) return
  encoding.scaleResolutionDownBy = Math.max(1, Math.min(width, height) / SHORT_SIDE)
  parameters.degradationPreference = 'balanced'
  await sender.setParameters(parameters)
}
