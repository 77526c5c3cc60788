/* A link's QR code as a picture in which no script runs and which loads nothing. The link itself is all that the host
 * sends: the page of the person who shows the code draws it. */

import { encodeQR } from 'qr'

/** Light modules around the code, by which readers find it. */
const BORDER = 2
const SCALE = 4

export function qrCode(url: string, label: string): HTMLImageElement {
  const rows = encodeQR(url, 'raw', { ecc: 'medium', border: BORDER })
  const dark = rows.flatMap((row, y) => row.map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : '')))
  const size = rows.length
  const box = `width="${size * SCALE}" height="${size * SCALE}" viewBox="0 0 ${size} ${size}"`
  const light = `<path fill="#fff" d="M0 0h${size}v${size}h-${size}z"/>`
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" ${box} shape-rendering="crispEdges">${light}<path d="${dark.join('')}"/></svg>`
  const image = document.createElement('img')
  image.decoding = 'sync'
  image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`
  image.alt = label
  return image
}
