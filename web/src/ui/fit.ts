export interface Rectangle {
  left: number
  top: number
  width: number
  height: number
}

/** Where a picture of this width to height lies inside a box that shows it whole, in the middle. */
export function fit(box: Rectangle, ratio: number): Rectangle {
  const width = Math.min(box.width, box.height * ratio)
  const height = width / ratio
  return { left: box.left + (box.width - width) / 2, top: box.top + (box.height - height) / 2, width, height }
}
