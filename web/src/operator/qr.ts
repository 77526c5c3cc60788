/* The host sends QR codes as SVG. What is sent is not trusted with the page: it becomes a picture, in which no script runs
 * and which loads nothing, and no parser of the page sees it (the pages allow no markup made of strings). */

export function qrCode(svg: string, label: string): HTMLImageElement {
  const image = document.createElement('img')
  // Inside a document it needs no namespace; as one of its own it does.
  const whole = svg.includes('xmlns=') ? svg : svg.replace('<svg', '<svg xmlns="http://www.w3.org/2000/svg"')
  image.decoding = 'sync'
  image.src = `data:image/svg+xml,${encodeURIComponent(whole)}`
  image.alt = label
  return image
}
