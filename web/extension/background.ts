/* Keeps the browser's policy at what `policy.ts` says for the pages in front, and counts what pages tried. */

import { browserMode, held, readSettings, siteOf } from './policy.ts'

const setting = chrome.privacy.network.webRTCIPHandlingPolicy
let working: Promise<void> = Promise.resolve()

/** One after another, so that the last one to begin is the last to have its say. */
function apply(): void {
  working = working.then(applyNow).catch(() => undefined)
}

async function applyNow(): Promise<void> {
  const settings = readSettings(await chrome.storage.local.get(['everywhere', 'sites']))
  const front = (await chrome.tabs.query({ active: true })).map(({ url }) => siteOf(url))
  const value = browserMode(settings, front)
  const present = await setting.get({})
  // Set also where it is so already: else it would be somebody else's to change.
  if (present.value !== value || present.levelOfControl !== 'controlled_by_this_extension') await setting.set({ value })
  await hold(held(settings))
}

async function hold(pages: ReturnType<typeof held>): Promise<void> {
  const wanted = JSON.stringify(pages)
  const { held: present } = await chrome.storage.session.get(['held'])
  const registered = await chrome.scripting.getRegisteredContentScripts()
  if (present === wanted && registered.length === (pages ? 1 : 0)) return
  if (registered.length > 0) await chrome.scripting.unregisterContentScripts({ ids: registered.map(({ id }) => id) })
  if (pages) {
    const { excludeMatches } = pages
    const exclude = excludeMatches.length > 0 ? { excludeMatches } : {}
    const how = { js: ['hold.js'], runAt: 'document_start', allFrames: true, world: 'MAIN', persistAcrossSessions: true }
    await chrome.scripting.registerContentScripts([{ id: 'hold', matches: pages.matches, ...exclude, ...how }])
  }
  await chrome.storage.session.set({ held: wanted })
}

let counting: Promise<void> = Promise.resolve()

/** A page made a peer connection: under which policy? */
function count(tab: number): void {
  counting = counting
    .then(async () => {
      const name = `tab${tab}`
      const { value } = await setting.get({})
      const seen = ((await chrome.storage.session.get([name]))[name] ?? {}) as { [mode: string]: number }
      seen[value] = (seen[value] ?? 0) + 1
      await chrome.storage.session.set({ [name]: seen })
      await chrome.action.setBadgeText({ text: String(Object.values(seen).reduce((a, b) => a + b, 0)), tabId: tab })
    })
    .catch(() => undefined)
}

chrome.runtime.onMessage.addListener((message, { tab }) => {
  if ((message as { made?: unknown }).made === true && tab?.id !== undefined) count(tab.id)
})
chrome.tabs.onUpdated.addListener((id, { status, url }) => {
  if (status === 'loading' && url !== undefined) void chrome.storage.session.set({ [`tab${id}`]: {} })
  apply()
})
chrome.tabs.onRemoved.addListener(apply)
chrome.tabs.onActivated.addListener(apply)
chrome.windows.onFocusChanged.addListener(apply)
chrome.storage.onChanged.addListener((_, area) => {
  if (area === 'local') apply()
})
setting.onChange.addListener(apply)
chrome.runtime.onInstalled.addListener(apply)
chrome.runtime.onStartup.addListener(apply)
void chrome.action.setBadgeBackgroundColor({ color: '#1f6feb' })
apply()
