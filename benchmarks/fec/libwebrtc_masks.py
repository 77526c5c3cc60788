"""Which source packets libwebrtc's repair packets cover, to compare ours with.

Figures from libwebrtc's public source (modules/rtp_rtcp/source/fec_private_tables_random.cc and …_bursty.cc, as of
June 2024; copyright of the WebRTC project authors, BSD licence). Only for measuring; nothing that ships reads them.

Each line is a number of source packets; its entries are for one repair packet, two, …, and list one mask in
hexadecimal per repair packet: k bits, the first source packet in the highest. From 13 source packets on, libwebrtc has
no table: source packet i is under repair packet i mod m.
"""

from __future__ import annotations

from typing import Final

_RANDOM: Final = """
1: 1
2: 3 3,2
3: 7 6,5 6,5,3
4: f c,b c,b,6 c,a,3,5
5: 1f 15,1a 16,19,a 19,16,a,5 18,6,3,14,9
6: 3f 2a,35 34,1a,29 2a,16,19,25 2a,21,19,24,16 26,19,14,5,2a,38
7: 7f 6a,55 68,55,32 68,55,32,e 6,58,d,62,31 46,25,32,68,50,19 25,4a,d,62,14,61,1a
8: ff aa,d5 c5,92,6a 45,b4,6a,89 8c,92,2b,51,64 a1,52,91,2a,c4,4c 15,c2,25,62,58,8c,a3 25,8a,91,68,32,43,c4,1c
9: 1ff 155,1aa 14a,190,a5 144,192,a5,49 118,4a,125,83,b0 109,4e,a3,34,d0,112 118,8e,103,25,b0,51,168
    58,122,81,d,190,8a,61,144 98,c4,122,85,148,26,61,111,12
10: 3ff 2aa,355 291,324,14a 328,ca,285,154 328,ca,285,154,23 38,cc,43,115,222,380 118,cc,203,31,a2,250,304
    b0,206,281,15,62,308,8a,141 130,8c,223,85,14a,250,98,121,246 130,144,281,13,e,218,a4,109,260,c2
11: 7ff 766,4dd 656,78a,5b1 626,18b,259,165 434,119,b1,261,20e 322,28a,65,509,95,452
    232,199,48c,521,285,426,4b 64,403,504,2a,218,d0,301,a1 232,313,460,b,3c,504,c5,488,3c0
    322,28a,548,26,680,412,109,61,250,95 232,199,4c8,2c,405,422,203,54,340,81,182
12: fff ecc,93b 9b8,4f1,3c6 8b2,14b,22d,455 536,642,cc,82a,93 514,c51,218,123,8e,2e0 536,213,909,25,6a,2c0,886
    206,803,424,19,141,a8,380,c50 536,e42,244,a11,183,39,8a1,49,e 514,451,80d,242,a2,e,b80,91,560,a28
    536,213,109,7,c1,40c,6a0,860,248,890,c02 106,23,405,218,811,148,980,89,620,242,8a0,844
"""

_BURSTY: Final = """
1: 1
2: 3 2,3
3: 7 6,5 4,6,3
4: f a,d c,6,9 8,c,6,3
5: 1f 1a,15 e,12,19 18,c,6,11 10,18,c,6,3
6: 3f 2a,35 25,32,19 18,e,22,31 30,18,c,6,21 20,30,18,c,6,3
7: 7f 6a,55 64,3a,49 1c,45,62,31 30,18,e,42,61 60,30,18,c,6,41 40,60,30,18,c,6,3
8: ff aa,d5 74,92,c9 8a,c5,62,31 30,1c,85,c2,61 60,30,18,e,82,c1 c0,60,30,18,c,6,81 80,c0,60,30,18,c,6,3
9: 1ff 1aa,155 124,192,e9 18a,c4,72,115 38,10a,185,c2,61 60,30,1c,105,182,c1 c0,60,30,18,e,102,181
    180,c0,60,30,18,c,6,101 100,180,c0,60,30,18,c,6,3
10: 3ff 2aa,355 324,1d2,249 188,e4,22a,315 214,30a,185,c2,61 60,38,20a,305,182,c1 c0,60,30,1c,205,302,181
    180,c0,60,30,18,c,202,301 300,180,c0,60,30,18,c,6,201 200,300,180,c0,60,30,18,c,6,3
11: 7ff 6aa,555 3a4,492,649 1c8,454,62a,311 616,308,185,e2,429 70,414,60a,305,182,c1 c0,60,38,40a,605,302,181
    180,c0,60,30,1a,405,602,301 300,180,c0,60,30,18,c,402,601 600,300,180,c0,60,30,18,c,6,401
    400,600,300,180,c0,60,30,18,c,6,3
12: fff aaa,d55 924,c92,749 8a8,c54,622,391 610,30a,1c5,852,c29 829,c14,60a,305,182,c1
    c0,70,814,c0a,605,302,181 180,c0,60,30,80a,c05,602,301 300,180,c0,60,30,18,805,c02,601
    600,300,180,c0,60,30,18,c,802,c01 c00,600,300,180,c0,60,30,18,c,6,801
    800,c00,600,300,180,c0,60,30,18,c,6,3
"""


def _parse(text: str) -> dict[tuple[int, int], tuple[tuple[int, ...], ...]]:
    masks = {}
    k = 0
    for word in text.split():
        if word.endswith(":"):
            k, m = int(word[:-1]), 0
            continue
        m += 1
        values = [int(value, 16) for value in word.split(",")]
        masks[k, m] = tuple(tuple(i for i in range(k) if value >> (k - 1 - i) & 1) for value in values)
    return masks


_TABLES: Final = {"random": _parse(_RANDOM), "bursty": _parse(_BURSTY)}


def rows(k: int, m: int, table: str = "random") -> tuple[tuple[int, ...], ...]:
    """What libwebrtc puts under each of m repair packets for k source packets."""
    if k <= 12:
        return _TABLES[table][k, m]
    return tuple(tuple(range(row, k, m)) for row in range(m))
