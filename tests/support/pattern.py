"""A camera whose every picture says which one it is, and can be compared with what it should be, cell by cell.

A picture is 16 by 12 cells of grey. The first row is its number in bits, the second one the opposite; the last one is
white in every 25th picture and black otherwise, and in the same moment a tone of 100 ms begins. All others change with
every picture, so that whatever is left from another one shows.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

COLUMNS, ROWS = 16, 12
FLASH_EVERY: Final = 25
BLACK, WHITE = 20, 235

SEND: Final = """
const canvas = document.createElement('canvas');
canvas.width = 640; canvas.height = 480;
const paint = canvas.getContext('2d');
const track = canvas.captureStream(0).getVideoTracks()[0];
const sound = new AudioContext();
await sound.resume();
const out = sound.createMediaStreamDestination();
const quiet = sound.createGain();
quiet.gain.value = 0;
quiet.connect(out);
const tone = sound.createOscillator();
tone.frequency.value = 800;
tone.connect(quiet);
tone.start();
let number = 0;
globalThis.drawn = () => number;
setInterval(() => {
  for (let row = 0; row < 12; row++) for (let column = 0; column < 16; column++) {
    let grey = 40 + (column * 37 + row * 59 + number * 5) % 170;
    const bit = number >> column & 1;
    if (row === 0) grey = bit ? 235 : 20;
    if (row === 1) grey = bit ? 20 : 235;
    if (row === 11) grey = number % 25 ? 20 : 235;
    paint.fillStyle = `rgb(${grey} ${grey} ${grey})`;
    paint.fillRect(column * 40, row * 40, 40, 40);
  }
  if (number % 25 === 0) {
    quiet.gain.setValueAtTime(0.8, sound.currentTime);
    quiet.gain.setValueAtTime(0, sound.currentTime + 0.1);
  }
  track.requestFrame();
  number++;
}, 40);
const [camera, microphone] = pc.getTransceivers();
await camera.sender.replaceTrack(track);
await microphone.sender.replaceTrack(out.stream.getAudioTracks()[0]);
"""
"""For `media_page.connected`, with a camera and a microphone as its lines."""


def expected(number: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The cells' greys, 0 to 255."""
    row, column = np.mgrid[0:ROWS, 0:COLUMNS]
    cells = 40 + (column * 37 + row * 59 + number * 5) % 170
    bits = np.array([number >> place & 1 for place in range(COLUMNS)])
    cells[0] = np.where(bits, WHITE, BLACK)
    cells[1] = np.where(bits, BLACK, WHITE)
    cells[11] = BLACK if number % FLASH_EVERY else WHITE
    return np.asarray(cells)


def cells_of(luma: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What a picture of any size shows in the middle of each cell."""
    height, width = luma.shape
    shown = np.empty((ROWS, COLUMNS))
    for row in range(ROWS):
        for column in range(COLUMNS):
            top, bottom = (int((row + part) * height / ROWS) for part in (0.3, 0.7))
            left, right = (int((column + part) * width / COLUMNS) for part in (0.3, 0.7))
            shown[row, column] = luma[top : bottom + 1, left : right + 1].mean()
    return shown


def read(luma: np.ndarray[Any, Any]) -> tuple[int, float]:
    """The picture's number, and by how much its worst cell is off."""
    shown = cells_of(luma)
    number = sum(int(shown[0, place] > 128) << place for place in range(COLUMNS))
    return number, float(np.abs(shown - expected(number)).max())
