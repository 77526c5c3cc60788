"""The plainest thing that could be built instead: a server that hands every message to everybody else in the room.

    python -m benchmarks.tap_relay          prints its port

No rooms, no rights, no sealing, no TLS, no receipts: whatever Slidewire costs, this is what it is compared with.
"""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

from slidewire.aio.loop import run

sockets: set[web.WebSocketResponse] = set()


async def relay(request: web.Request) -> web.WebSocketResponse:
    own = web.WebSocketResponse(compress=False)
    await own.prepare(request)
    sockets.add(own)
    try:
        async for message in own:
            if message.type is WSMsgType.TEXT:
                for other in sockets - {own}:
                    await other.send_str(message.data)
    finally:
        sockets.discard(own)
    return own


async def main() -> None:
    app = web.Application()
    app.router.add_get("/ws", relay)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    run(main())
