/* What holds now, what was held back on this page, and two choices: everywhere, and for this site. */

import { IN_FIREFOX, LET_THROUGH, type Mode, MODES, modeOf, readSettings, siteOf, STRICTEST } from './policy.ts'

const WORDS: { [mode in Mode]: string } = {
  default: 'As the browser does by itself',
  default_public_and_private_interfaces: IN_FIREFOX
    ? 'The public address, and the local one where camera or microphone are allowed'
    : 'The default route and its local address',
  default_public_interface_only: 'The public address only',
  disable_non_proxied_udp: 'Nothing but relays',
  proxy_only: 'Nothing, or what goes through a proxy',
}
const AS_EVERYWHERE = 'as-everywhere'
/** Pages of a Slidewire server by their paths. */
const ROOM = /^\/(p\/[a-z2-7]{10}|operator|deck)$/

const find = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T

function option(value: string, text: string): HTMLOptionElement {
  return Object.assign(document.createElement('option'), { value, textContent: text })
}

async function show(): Promise<void> {
  const [settings, [tab], present] = await Promise.all([
    chrome.storage.local.get(['everywhere', 'sites']).then(readSettings),
    frontTab(),
    chrome.privacy.network.webRTCIPHandlingPolicy.get({}),
  ])
  const site = siteOf(tab?.url)
  const mine = present.levelOfControl === 'controlled_by_this_extension'
  find('now').textContent = mine
    ? `Pages learn now: ${WORDS[present.value as Mode].toLowerCase()}.`
    : `Something else (${present.levelOfControl.replaceAll('_', ' ')}) decides: ${present.value}.`
  find<HTMLSelectElement>('everywhere').value = settings.everywhere
  find('here').hidden = site === null
  if (site === null || tab?.id === undefined) return
  find('site-name').textContent = new URL(site).hostname
  find<HTMLSelectElement>('site').value = settings.sites[site] ?? AS_EVERYWHERE
  find('let').hidden = !ROOM.test(new URL(tab.url ?? '').pathname) || modeOf(settings, site) !== STRICTEST
  const name = `tab${tab.id}`
  const seen = ((await chrome.storage.session.get([name]))[name] ?? {}) as { [mode in Mode]?: number }
  const lines = MODES.filter((mode) => seen[mode]).map((mode) => `${seen[mode]} × ${WORDS[mode].toLowerCase()}`)
  find('counted').textContent = lines.length > 0 ? `Connections this page made, and what they were let: ${lines.join(', ')}.` : 'This page made no connection.'
}

/** The tab that the popup stands over; tests name one. */
async function frontTab(): Promise<Tab[]> {
  const named = new URLSearchParams(location.search).get('url')
  const tabs = await chrome.tabs.query(named ? {} : { active: true, currentWindow: true })
  return named ? tabs.filter(({ url }) => url?.startsWith(named)) : tabs
}

async function choose(mode: string): Promise<void> {
  const settings = readSettings(await chrome.storage.local.get(['everywhere', 'sites']))
  const site = siteOf((await frontTab())[0]?.url)
  if (site === null) return
  const { [site]: _, ...others } = settings.sites
  await chrome.storage.local.set({ sites: mode === AS_EVERYWHERE ? others : { ...others, [site]: mode } })
}

const everywhere = find<HTMLSelectElement>('everywhere')
const here = find<HTMLSelectElement>('site')
everywhere.append(...MODES.map((mode) => option(mode, WORDS[mode])))
here.append(option(AS_EVERYWHERE, 'As everywhere'), ...MODES.map((mode) => option(mode, WORDS[mode])))
everywhere.addEventListener('change', () => void chrome.storage.local.set({ everywhere: everywhere.value }))
here.addEventListener('change', () => void choose(here.value))
find('let').addEventListener('click', () => void choose(LET_THROUGH))
chrome.storage.onChanged.addListener(() => void show())
chrome.privacy.network.webRTCIPHandlingPolicy.onChange.addListener(() => void show())
void show()
