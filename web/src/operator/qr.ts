/* The host sends QR codes as their modules, a row each in hexadecimal. They become a picture, in which no script runs and
 * which loads nothing; what is sent becomes numbers only, and no parser of the page sees it. */

/** Modules of light around the code, by which readers find it. */
const BORDER = 2
const SCALE = 4

export function qrCode(rows: string[], label: string): HTMLImageElement {
  const size = rows.length
  const dark = rows.flatMap((row, y) =>
    [...BigInt(`0x${/^[\da-f]+$/.test(row) ? row : 0}`).toString(2).padStart(size, '0')].map((bit, x) => (bit === '1' ? `M${x} ${y}h1v1h-1z` : '')),
  )
  const whole = size + 2 * BORDER
  const box = `width="${whole * SCALE}" height="${whole * SCALE}" viewBox="${-BORDER} ${-BORDER} ${whole} ${whole}"`
  const light = `<path fill="#fff" d="M${-BORDER} ${-BORDER}h${whole}v${whole}h${-whole}z"/>`
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" ${box} shape-rendering="crispEdges">${light}<path d="${dark.join('')}"/></svg>`
  const image = document.createElement('img')
  image.decoding = 'sync'
  image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`
  image.alt = label
  return image
}
