"""LibreOffice Impress over UNO, as a process of its own: JSON lines in, JSON lines out.

UNO's Python module belongs to the system's (or LibreOffice's own) Python, which is seldom the one Slidewire runs on.
So this folder is started by *that* Python (3.8 or later), and leans on nothing but its standard library and `uno`:

    __main__.py  the lines, the queue, the threads
    deck.py      which document, which show, and what to tell about them
    show.py      one running show: what its listeners saw, and the intents
    office.py    LibreOffice itself: found, started, connected, ended
"""
