/* As much of a browser's media as the code under test uses. Nothing here decides anything; tests say what happens. */

export class FakeTrack extends EventTarget {
  enabled = true
  muted = false
  readyState: 'live' | 'ended' = 'live'
  constructor(
    readonly kind: 'video' | 'audio',
    readonly settings: MediaTrackSettings = {},
  ) {
    super()
  }
  getSettings = (): MediaTrackSettings => this.settings
  stop = (): void => void (this.readyState = 'ended')
  /** The device is gone. */
  vanish(): void {
    this.readyState = 'ended'
    this.dispatchEvent(new Event('ended'))
  }
}

export class FakeSender {
  track: unknown = null
  parameters: RTCRtpSendParameters
  constructor(encodings: RTCRtpEncodingParameters[]) {
    this.parameters = { encodings } as RTCRtpSendParameters
  }
  replaceTrack = async (track: unknown): Promise<void> => void (this.track = track)
  getParameters = (): RTCRtpSendParameters => structuredClone(this.parameters)
  setParameters = async (parameters: RTCRtpSendParameters): Promise<void> => void (this.parameters = parameters)
}

export class FakeConnection extends EventTarget {
  static readonly made: FakeConnection[] = []
  connectionState: RTCPeerConnectionState = 'new'
  remote = ''
  closed = false
  readonly candidates: unknown[] = []
  readonly transceivers: { kind: string; direction: string | undefined; codecs: string[]; sender: FakeSender; receiver: object }[] = []
  constructor(readonly configuration: RTCConfiguration) {
    super()
    FakeConnection.made.push(this)
  }
  addTransceiver(kind: string, init: RTCRtpTransceiverInit): object {
    const transceiver = {
      kind,
      direction: init.direction,
      codecs: [] as string[],
      sender: new FakeSender([...(init.sendEncodings ?? [])]),
      receiver: { getStats: async () => new Map([['1', { type: 'inbound-rtp', packetsReceived: 7, framesDecoded: 3 }]]) },
      setCodecPreferences: (codecs: RTCRtpCodec[]) => void (transceiver.codecs = codecs.map(({ mimeType }) => mimeType)),
    }
    this.transceivers.push(transceiver)
    return transceiver
  }
  setConfiguration = (given: RTCConfiguration): void => void Object.assign(this.configuration, given)
  createOffer = async (): Promise<RTCSessionDescriptionInit> => ({ type: 'offer', sdp: 'v=0\r\n' })
  setLocalDescription = async (): Promise<void> => undefined
  setRemoteDescription = async ({ sdp }: { sdp: string }): Promise<void> => void (this.remote = sdp)
  addIceCandidate = async (candidate?: RTCIceCandidateInit): Promise<void> => void this.candidates.push(candidate?.candidate)
  close = (): void => void (this.closed = true)
  becomes(state: RTCPeerConnectionState): void {
    this.connectionState = state
    this.dispatchEvent(new Event('connectionstatechange'))
  }
  receives(index: number, track: FakeTrack): void {
    this.dispatchEvent(Object.assign(new Event('track'), { transceiver: this.transceivers[index], track }))
  }
}

const codec = (mimeType: string): RTCRtpCodec => ({ mimeType, clockRate: 90_000 })

/** In Chromium's order. */
export const CAPABILITIES = {
  video: ['video/VP8', 'video/rtx', 'video/VP9', 'video/H264', 'video/AV1', 'video/red', 'video/ulpfec', 'video/flexfec-03'].map(codec),
  audio: ['audio/opus', 'audio/red', 'audio/G722', 'audio/PCMU', 'audio/CN', 'audio/telephone-event'].map(codec),
}

export const FakeReceiver = { getCapabilities: (kind: 'video' | 'audio') => ({ codecs: CAPABILITIES[kind] }) }
