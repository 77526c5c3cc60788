"""A window in front of a desktop that says when each key reached it.

    DISPLAY=:7 python -m benchmarks.tap_window          prints "ready", then one time per key pressed

It is a process of its own, as a presentation program would be, and does nothing but wait for keys. It looks like a
running show of a program that the keys driver knows, because it types into nothing else, and of one that takes keys as
fast as they come, so that no tap waits for the one before.
"""

from __future__ import annotations

import os
import time

import xcffib.xproto

from tests.support.xserver import TestWindow, x_client


def main() -> None:
    with x_client(os.environ["DISPLAY"]) as client:
        TestWindow(client, "benchmark", "okular okular", full_screen=True)
        print("ready", flush=True)
        while True:
            event = client.connection.wait_for_event()
            at = time.time()
            if isinstance(event, xcffib.xproto.KeyPressEvent):
                print(at, flush=True)


if __name__ == "__main__":
    main()
