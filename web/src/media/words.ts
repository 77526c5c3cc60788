/* What the speaker is told of what they send. It is said before everything else who sees and hears them. */

import type { MediaPart } from '../protocol/messages.ts'
import type { MediaConnectionState } from './media_connection.ts'

export interface Sending {
  camera: boolean
  microphone: boolean
  /** Switched off for a moment; the device is kept. */
  muted: boolean
  connectionState: MediaConnectionState
  /** Why the host does not take it, in its own words. */
  refusal: string
  state: Partial<MediaPart>
}

export type Tone = 'off' | 'waiting' | 'sent' | 'air' | 'bad'

export function sendingWords({ camera, microphone, connectionState, refusal, state }: Sending): { tone: Tone; text: string } {
  const recorded = state.recording ? ' It is being recorded.' : ''
  if (!camera && !microphone) return { tone: 'off', text: `Nobody sees or hears you.${state.recording ? ' The show is being recorded.' : ''}` }
  if (connectionState === 'refused') return { tone: 'bad', text: `Not sent: ${refusal || 'the host refuses it.'}` }
  if (connectionState === 'interrupted') return { tone: 'bad', text: 'Interrupted: trying again. Your clicks are not affected.' }
  if (connectionState !== 'open') return { tone: 'waiting', text: 'Connecting…' }
  const verb = camera && microphone ? 'sees and hears' : camera ? 'sees' : 'hears'
  if (state.on_air) return { tone: 'air', text: `You are on air: the room ${verb} you.${recorded}` }
  const what = camera && microphone ? 'Camera and microphone are' : camera ? 'The camera is' : 'The microphone is'
  return { tone: 'sent', text: `${what} sent. The operator puts you on air.${recorded}` }
}

/** The labels over the slide, for a glance: the first is what matters most. */
export function chips({ camera, microphone, muted, connectionState, state }: Sending): { name: string; text: string }[] {
  const found: { name: string; text: string }[] = []
  const sent = (camera || microphone) && connectionState !== 'refused'
  if (sent && state.on_air) found.push({ name: 'air', text: 'On air' })
  if (state.recording) found.push({ name: 'recording', text: 'Recording' })
  if (sent && connectionState !== 'open') found.push({ name: 'broken', text: 'Picture and sound interrupted' })
  if (camera) found.push({ name: 'on', text: 'Camera on' })
  if (microphone) found.push({ name: 'on', text: 'Mic on' })
  else if (muted) found.push({ name: 'muted', text: 'Muted' })
  return found
}

export interface Watching {
  wanted: boolean
  isLive: boolean
  /** The host has just stopped sharing what was watched. */
  isOver: boolean
  connectionState: MediaConnectionState
  refusal: string
}

/** Why there is a slide where the screen was asked for. */
export function screenWords({ wanted, isLive, isOver, connectionState, refusal }: Watching): string {
  if (!wanted) return isOver ? 'The screen is no longer shared: this is the slide.' : ''
  if (isLive) return ''
  return connectionState === 'refused' ? refusal || 'The host refuses the live picture.' : 'No live picture at the moment: this is the slide.'
}
