/* The host sends QR codes as SVG. What is sent is not trusted with the page: of it only shapes are taken, drawn anew. */

const SVG = 'http://www.w3.org/2000/svg'
const SHAPES = new Set(['svg', 'g', 'path', 'rect'])
const ATTRIBUTES = ['viewBox', 'd', 'transform', 'x', 'y', 'width', 'height', 'fill', 'stroke', 'stroke-width']

function copy(from: Element): SVGElement | null {
  if (!SHAPES.has(from.localName)) return null
  const to = document.createElementNS(SVG, from.localName)
  for (const name of ATTRIBUTES) {
    const value = from.getAttribute(name)
    if (value !== null && !value.includes('url(')) to.setAttribute(name, value)
  }
  for (const child of from.children) {
    const shape = copy(child)
    if (shape) to.append(shape)
  }
  return to
}

export function qrCode(text: string, label: string): SVGElement | null {
  const root = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement
  const svg = root.localName === 'svg' ? copy(root) : null
  if (!svg) return null
  const [width, height] = [root.getAttribute('width'), root.getAttribute('height')].map((size) => Number.parseFloat(size ?? ''))
  if (!svg.hasAttribute('viewBox') && width && height) svg.setAttribute('viewBox', `0 0 ${width} ${height}`)
  svg.removeAttribute('width')
  svg.removeAttribute('height')
  svg.setAttribute('role', 'img')
  svg.setAttribute('aria-label', label)
  return svg
}
