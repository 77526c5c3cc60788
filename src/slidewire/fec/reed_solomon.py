"""Reed-Solomon erasure code over GF(256), systematic: any k packets of a block's k + m give the k source packets.

No other code recovers more from as many repair packets (it is MDS). Browsers cannot read it: it is for our own ends,
over data channels, between hosts and into recordings.

The repair matrix is a Cauchy matrix, entry (i, j) = 1 / ((k + i) + j), of which every square part has an inverse; its
columns are scaled so that the first row is all ones, which makes the first repair packet a plain XOR and keeps that
property. So m = 1 costs no more than parity.

On the wire every packet of a block, source or repair, has a header of five bytes; numbers are big-endian:

    |         block (16)            |  number (8)   |     k (8)     |     m (8)     |

with a number below k for a source packet, as it is, and k + i for the repair packet of row i. A repair packet is made
from the source packets with their length (16 bits) in front, padded with zeros to the longest.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from slidewire.fec.galois import combination, inverse, invert, multiply
from slidewire.fec.recovery import Counts

MOST: Final = 255
"""Packets of a block, source and repair together."""
BLOCKS: Final = 64
"""Blocks that a receiver keeps."""
_HEADER: Final = struct.Struct("!HBBB")


@lru_cache(maxsize=512)
def matrix(k: int, m: int) -> tuple[tuple[int, ...], ...]:
    """The m rows of coefficients of k source packets. ValueError if the field is too small for them."""
    if not (k >= 1 and m >= 0 and k + m <= MOST):
        raise ValueError(f"a block has at least one source packet, and at most {MOST} packets altogether")
    scale = [k ^ j for j in range(k)]  # what makes row 0 all ones
    return tuple(tuple(multiply(scale[j], inverse((k + i) ^ j)) for j in range(k)) for i in range(m))


def encode(vectors: Sequence[bytes], m: int) -> list[bytes]:
    """m repair vectors for source vectors; all as long as the longest, shorter ones end in zeros."""
    size = max(map(len, vectors))
    return [combination(row, vectors, size) for row in matrix(len(vectors), m)]


def decode(k: int, m: int, vectors: Mapping[int, bytes], size: int) -> dict[int, bytes]:
    """The missing source vectors, by index, from what came by index; k + i is the repair vector of row i.

    Empty if fewer than k came. Each is `size` bytes long.
    """
    rows = matrix(k, m)
    missing = [index for index in range(k) if index not in vectors]
    usable = [index - k for index in sorted(vectors) if index >= k][: len(missing)]
    if not missing or len(usable) < len(missing):
        return {}
    known = [index for index in range(k) if index in vectors]
    present = [vectors[index] for index in known]
    rests = [
        combination((1, *(rows[row][index] for index in known)), (vectors[k + row], *present), size) for row in usable
    ]
    solution = invert([[rows[row][index] for index in missing] for row in usable])
    return {index: combination(line, rests, size) for index, line in zip(missing, solution, strict=True)}


class Piece(NamedTuple):
    """A packet of a block."""

    block: int
    number: int
    k: int
    m: int
    data: bytes

    def build(self) -> bytes:
        return _HEADER.pack(*self[:4]) + self.data


def parse(data: bytes) -> Piece | None:
    """None if it cannot be a packet of any block."""
    if len(data) < _HEADER.size:
        return None
    block, number, k, m = _HEADER.unpack_from(data)
    if not 1 <= k <= k + m <= MOST or number >= k + m:
        return None
    return Piece(block, number, k, m, data[_HEADER.size :])


def sources(source_packets: Sequence[bytes], m: int, block: int) -> list[bytes]:
    """The source packets as they are sent."""
    k = len(source_packets)
    return [Piece(block, index, k, m, data).build() for index, data in enumerate(source_packets)]


def protect(source_packets: Sequence[bytes], m: int, block: int) -> list[bytes]:
    """m repair packets. ValueError for too many packets, or one above 65535 bytes."""
    k = len(source_packets)
    try:
        vectors = [struct.pack("!H", len(data)) + data for data in source_packets]
    except struct.error as error:
        raise ValueError("a source packet is at most 65535 bytes long") from error
    return [Piece(block, k + row, k, m, data).build() for row, data in enumerate(encode(vectors, m))]


class _Block:
    def __init__(self, k: int, m: int) -> None:
        self.k, self.m = k, m
        self.vectors: dict[int, bytes] = {}
        self.size: int | None = None
        self.done = False


class Receiver:
    def __init__(self) -> None:
        self.counts = Counts()
        self._blocks: OrderedDict[int, _Block] = OrderedDict()

    def recover(self, received: Iterable[bytes]) -> list[bytes]:
        """Source packets that did not come, as they were given to `protect`."""
        found: list[bytes] = []
        for data in received:
            piece = parse(data)
            if piece is None:
                self.counts.malformed += 1
                continue
            found += self._take(piece)
        return found

    def _take(self, piece: Piece) -> list[bytes]:
        block = self._blocks.get(piece.block)
        if block is None:
            block = self._blocks[piece.block] = _Block(piece.k, piece.m)
            if len(self._blocks) > BLOCKS:
                self._blocks.popitem(last=False)
        repair = piece.number >= piece.k
        wrong_size = repair and block.size not in (None, len(piece.data))
        if (piece.k, piece.m) != (block.k, block.m) or wrong_size or (repair and len(piece.data) < 2):
            self.counts.malformed += 1
            return []
        self.counts.repairs += repair
        if block.done or piece.number in block.vectors:
            self.counts.useless += repair
            return []
        if repair:
            block.size = len(piece.data)
        block.vectors[piece.number] = piece.data if repair else len(piece.data).to_bytes(2, "big") + piece.data
        if len(block.vectors) < block.k:
            return []
        block.done = True
        return self._solve(block)

    def _solve(self, block: _Block) -> list[bytes]:
        vectors, block.vectors = block.vectors, {}
        size = block.size
        if size is None:
            return []
        if any(len(vector) > size for vector in vectors.values()):
            self.counts.malformed += 1
            return []
        found = []
        for vector in decode(block.k, block.m, vectors, size).values():
            end = 2 + int.from_bytes(vector[:2], "big")
            if end > size or any(vector[end:]):
                self.counts.malformed += 1
                continue
            self.counts.recovered += 1
            found.append(vector[2:end])
        return found
