"""What a relayed packet costs, beside coturn: packets per CPU-second, added latency, allocations, memory.

    python -m benchmarks.turn_relay [--coturn PATH] [--workers N] [--rounds 5] [--seconds 0.6] [--only NAME,…] [--write]

Slidewire with each of its data paths, Debian's coturn, and every coturn given by `--coturn` (with its default
settings, and with `--multiplex-peer --udp-gso` if it has them) relay between the same clients and peers on loopback, in
turn and several times over. Servers run on one processor and the load on another; what counts is packets that arrived,
per second of the server's processor time. The load is C (`turn_relay_load.c`) and is compiled first.

- bursts: one flow, 16 datagrams at a time (in one send, so that they are there at once), as fast as it goes
- spread: 200 flows, one datagram each in turn, as fast as it goes
- crowded: the same while another program wants the server's processor as well
- paced: 200 flows, one datagram each in turn, 10,000 a second together
- latency: from a client through the relay to an echo and back, one at a time, less the same without a relay
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import ctypes
import hmac
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.quantiles import quantile
from slidewire.base.addresses import Address
from slidewire.stun import attributes as a
from slidewire.stun.message import Builder, Class, Message, long_term_key, parse
from slidewire.turn import attributes as t
from slidewire.turn.attributes import Method

HERE = Path(__file__).parent
SECRET = "0123456789abcdef0123456789abcdef01234567"
REALM = "bench"
SERVER_CPU, LOAD_CPU = 0, 1
FLOWS = 200
PACED = 10_000.0
TOGETHER = 16
IDLE = 2000
"""Allocations for the memory of one. They come from as many addresses as Slidewire's rations ask for."""


@dataclass(frozen=True)
class Contender:
    name: str
    command: list[str]
    environment: dict[str, str]
    version: str


@dataclass(frozen=True)
class Cell:
    name: str
    direction: str
    flows: int
    burst: int
    size: int
    rate: float = 0.0
    crowded: bool = False


KINDS = (
    ("bursts", 1, 16, 0.0),
    ("spread", FLOWS, 1, 0.0),
    ("crowded", FLOWS, 1, 0.0),
    ("paced", FLOWS, 1, PACED),
)
CELLS = [
    Cell(f"{how} {direction} {size}", direction, flows, burst, size, rate, how == "crowded")
    for how, flows, burst, rate in KINDS
    for direction in ("up", "down")
    for size in (160, 1200)
    if not (how == "paced" and size == 1200)
]


def contenders(coturns: list[str], port: int, scratch: Path, workers: int = 1) -> list[Contender]:
    secret = scratch / "secret"
    secret.write_text(SECRET)
    slidewire = [
        sys.executable, "-m", "slidewire.cli.main", "turn", "--listen", "127.0.0.1", "--port", str(port),
        "--relay-ip", "127.0.0.1", "--realm", REALM, "--secret-file", str(secret), "--allow-peer", "127.0.0.0/8",
        "--bandwidth", "0", "--tls-port", "0",
    ]  # fmt: skip
    made = [
        Contender(f"slidewire {path}", slidewire, {"SLIDEWIRE_DATA_PATH": path}, "this tree")
        for path in ("plain", "compiled")
    ]
    if workers > 1:
        name, many = f"slidewire compiled × {workers}", [*slidewire, "--workers", str(workers)]
        made.append(Contender(name, many, {"SLIDEWIRE_DATA_PATH": "compiled"}, "this tree"))
    for program in coturns:
        version = _coturn_version(program)
        made.append(Contender(f"coturn {version}", _coturn(program, port, scratch, version), {}, version))
        if "--udp-gso" in subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout:
            more = ["--multiplex-peer", "--multiplex-peer-port", str(port + 1), "--udp-gso", "--relay-threads", "1"]
            command = _coturn(program, port, scratch, version) + more
            made.append(Contender(f"coturn {version} gso", command, {}, version))
    return made


def _coturn_version(program: str) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return (said.stdout + said.stderr).strip().splitlines()[-1].split()[-1]


def _coturn(program: str, port: int, scratch: Path, version: str) -> list[str]:
    command = [
        program, "-n", "--listening-port", str(port), "--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1",
        "--min-port", "20000", "--max-port", "60000", "--realm", REALM, "--use-auth-secret", "--static-auth-secret",
        SECRET, "--no-tls", "--allow-loopback-peers", "--log-file", str(scratch / "coturn.log"), "--pidfile",
        str(scratch / "coturn.pid"), "--userdb", str(scratch / "coturn.db"),
    ]  # fmt: skip
    if version.startswith("4.6"):
        command += ["--no-dtls", "--no-cli", "--no-rfc5780"]
    return command


def roomy(end: socket.socket) -> None:
    """So that nothing is lost behind the relay: 4 MB, for root whatever the system's limit is."""
    for option in (socket.SO_RCVBUF, 33):  # SO_RCVBUFFORCE
        with contextlib.suppress(PermissionError):
            end.setsockopt(socket.SOL_SOCKET, option, 4 << 20)


class Turn:
    """A client, on a connected socket."""

    def __init__(self, server: tuple[str, int], number: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        roomy(self.socket)
        self.socket.bind((host, 0))
        self.socket.connect(server)
        self.socket.settimeout(5)
        self.username = f"{int(time.time()) + 3600}:user{number}"
        password = base64.b64encode(hmac.digest(SECRET.encode(), self.username.encode(), "sha1")).decode()
        self.key = long_term_key(self.username, REALM, password)
        self.nonce: bytes | None = None
        self.relayed = Address("", 0)

    def send(self, method: int, *fields: tuple[a.Attribute[Any], Any]) -> None:
        request = Builder(method, Class.REQUEST, os.urandom(12))
        for attribute, value in fields:
            request.add(attribute, value)
        if self.nonce is not None:
            request.add(a.USERNAME, self.username).add(a.REALM, REALM).add(a.NONCE, self.nonce).sign(self.key)
        self.socket.send(request.encode())

    def hear(self) -> Message | None:
        """None for a challenge, which the next request will meet."""
        answer = parse(self.socket.recv(2048))
        assert answer is not None
        if answer.class_ is Class.SUCCESS:
            return answer
        if self.nonce is not None:
            raise SystemExit(f"the server says no: {answer}")
        self.nonce = answer.get(a.NONCE)
        return None

    def ask(self, method: int, *fields: tuple[a.Attribute[Any], Any]) -> Message:
        answer = None
        while answer is None:
            self.send(method, *fields)
            answer = self.hear()
        return answer

    def allocate(self) -> None:
        self.allocated(self.ask(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, t.UDP)))

    def allocated(self, answer: Message | None) -> None:
        assert answer is not None
        relayed = answer.get(t.XOR_RELAYED_ADDRESS)
        assert relayed is not None
        self.relayed = relayed

    def bind(self, peer: Address) -> None:
        self.ask(Method.CHANNEL_BIND, (t.CHANNEL_NUMBER, 0x4000), (t.XOR_PEER_ADDRESS, peer))


def _family(pid: int) -> list[int]:
    """A process and those that it started, and so on."""
    parents = {}
    for each in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it is gone
            parents[int(each.parent.name)] = int(each.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for member in found:  # which grows meanwhile
        found += [child for child, parent in parents.items() if parent == member]
    return found


class Server:
    def __init__(self, contender: Contender, port: int) -> None:
        self.process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CPU), *contender.command],
            env={**os.environ, **contender.environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.address = ("127.0.0.1", port)
        binding = Builder(1, Class.REQUEST, bytes(12)).encode()
        deadline = time.monotonic() + 20
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.1)
            while True:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{contender.name} did not start: {' '.join(contender.command)}")
                try:
                    probe.sendto(binding, self.address)
                    probe.recv(2048)
                    break
                except OSError:
                    time.sleep(0.1)
        time.sleep(0.3)
        self._family = _family(self.process.pid)

    def cpu(self) -> float:
        """Seconds of processor time, to the nanosecond, of all its processes and their threads."""
        return sum(self.shares())

    def shares(self) -> list[float]:
        """The same for each process, the first one first."""
        return [
            sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9
            for pid in self._family
        ]

    def memory(self) -> int:
        """Resident bytes that are its own."""
        texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self._family]
        lines = [line for text in texts for line in text.splitlines() if line.startswith("Private_")]
        return sum(int(line.split()[1]) for line in lines) * 1024

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Load:
    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        pointer, number = ctypes.c_void_p, ctypes.c_int
        self._library.blast.argtypes = [
            pointer, number, ctypes.c_char_p, number, number, ctypes.c_double, pointer, pointer
        ]  # fmt: skip

    @staticmethod
    def sockets(ends: list[socket.socket]) -> Any:
        return (ctypes.c_int * len(ends))(*(end.fileno() for end in ends))

    @contextmanager
    def running(self, function: str, *arguments: Any) -> Iterator[ctypes.c_uint64]:
        count, stop = ctypes.c_uint64(0), ctypes.c_int(0)
        run = threading.Thread(
            target=getattr(self._library, function), args=(*arguments, ctypes.byref(count), ctypes.byref(stop))
        )
        run.start()
        try:
            yield count
        finally:
            stop.value = 1
            run.join()

    def ping(self, end: socket.socket, data: bytes, count: int) -> list[float]:
        times = (ctypes.c_double * count)()
        done = self._library.ping(end.fileno(), data, len(data), count, 300, times)
        return list(times[:done])


@contextmanager
def crowd() -> Iterator[None]:
    """A program that is always busy, on the server's processor and as nice as the server."""
    busy = subprocess.Popen(["taskset", "-c", str(SERVER_CPU), sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


def _waiting(ports: set[str]) -> bool:
    """Whether a socket bound to one of these ports has something to read."""
    rows = (line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:])
    return any(row[1].rpartition(":")[2] in ports and not row[4].endswith(":00000000") for row in rows)


class Round:
    """One contender, once."""

    def __init__(self, server: Server, load: Load, seconds: float) -> None:
        self._server, self._load, self._seconds = server, load, seconds
        self.peers: list[socket.socket] = []
        self.clients: list[Turn] = []
        for number in range(FLOWS):
            peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            roomy(peer)
            peer.bind(("127.0.0.1", 0))
            self.peers.append(peer)
            client = Turn(server.address, number, f"127.0.1.{1 + number // 8}")
            client.allocate()
            client.bind(Address(*peer.getsockname()))
            client.socket.settimeout(None)
            peer.connect(client.relayed)
            self.clients.append(client)

    def close(self) -> None:
        for client in self.clients:
            client.socket.close()
        for peer in self.peers:
            peer.close()

    def packets(self, cell: Cell) -> tuple[float, float]:
        """Per CPU-second, and the share of its processor that the server used."""
        clients = [client.socket for client in self.clients[: cell.flows]]
        peers = self.peers[: cell.flows]
        payload = b"\x80" + os.urandom(cell.size - 1)
        if cell.direction == "up":
            senders, receivers = clients, peers
            payload = b"\x40\x00" + cell.size.to_bytes(2, "big") + payload
        else:
            senders, receivers = peers, clients
        load, sending, receiving = self._load, self._load.sockets(senders), self._load.sockets(receivers)
        with (
            crowd() if cell.crowded else contextlib.nullcontext(),
            load.running("receive", receiving, len(receivers)) as received,
            load.running("blast", sending, len(senders), payload * cell.burst, len(payload), cell.burst, cell.rate),
        ):
            time.sleep(0.25)
            before, cpu, start = received.value, self._server.cpu(), time.monotonic()
            time.sleep(self._seconds)
            while self._server.cpu() == cpu:
                time.sleep(0.05)
            count, spent = received.value - before, self._server.cpu() - cpu
            elapsed = time.monotonic() - start
        self.settle()
        return count / spent, spent / elapsed

    def settle(self) -> None:
        """Wait until what was too much has gone through, and forget it."""
        ports = {f"{port:04X}" for port in (self._server.address[1], *(client.relayed.port for client in self.clients))}
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and _waiting(ports):
            time.sleep(0.02)
        time.sleep(0.02)
        for end in (*self.peers, *(client.socket for client in self.clients)):
            with contextlib.suppress(BlockingIOError):
                while end.recv(2048, socket.MSG_DONTWAIT):
                    pass

    def latency(self, background: float) -> list[float]:
        payload = b"\x80" + os.urandom(159)
        data = b"\x40\x00\x00\xa0" + payload
        load, peers = self._load, self._load.sockets(self.peers)
        with load.running("echo", peers, len(self.peers)):
            if not background:
                return load.ping(self.clients[0].socket, data, 600)
            others = load.sockets([client.socket for client in self.clients[1:]])
            with (
                load.running("receive", others, FLOWS - 1),
                load.running("blast", others, FLOWS - 1, data, len(data), 1, background),
            ):
                time.sleep(0.1)
                return load.ping(self.clients[0].socket, data, 600)

    def direct(self) -> list[float]:
        """The same without a relay."""
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
        ):
            peer.bind(("127.0.0.1", 0))
            end.connect(peer.getsockname())
            with self._load.running("echo", self._load.sockets([peer]), 1):
                return self._load.ping(end, bytes(164), 600)


def allocations(contender: Contender, port: int, count: int) -> tuple[float, float]:
    """Allocations per CPU-second (both requests of each, 401 and success; as many clients at once as arrive in a busy
    moment), and bytes for each one that stands."""
    server = Server(contender, port)
    clients = []
    try:
        warm = [Turn(server.address, 10_000 + n, f"127.0.3.{1 + n // 8}") for n in range(64)]
        for client in warm:
            client.allocate()
        clients = [Turn(server.address, n, f"127.0.{4 + n // 1600}.{1 + n % 1600 // 8}") for n in range(count)]
        memory, cpu = server.memory(), server.cpu()
        for first in range(0, count, TOGETHER):
            some = clients[first : first + TOGETHER]
            for hear in (Turn.hear, lambda client: client.allocated(client.hear())):
                for client in some:
                    client.send(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, t.UDP))
                for client in some:
                    hear(client)
        spent = server.cpu() - cpu
        time.sleep(0.2)
        used = server.memory() - memory
        for client in warm:
            client.socket.close()
        return count / spent, used / count
    finally:
        server.stop()
        for client in clients:
            client.socket.close()


def compile_load(scratch: Path) -> Path:
    target = scratch / "load.so"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, "-o", str(target), str(HERE / "turn_relay_load.c")], check=True)
    return target


def _wanted(name: str, beginnings: str) -> bool:
    return not beginnings or any(name.startswith(each) for each in beginnings.split(","))


def measure(options: argparse.Namespace, scratch: Path) -> tuple[list[Contender], dict[str, dict[str, list[float]]]]:
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    load = Load(compile_load(scratch))
    os.sched_setaffinity(0, {LOAD_CPU})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = [shutil.which("turnserver")] if shutil.which("turnserver") else []
    competitors = contenders([*filter(None, found), *options.coturn], port, scratch, options.workers)
    if options.only:
        competitors = [
            each for each in competitors if any(each.name.startswith(name) for name in options.only.split(","))
        ]
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(options.rounds):
        for contender in competitors:
            mine = figures[contender.name]
            server = Server(contender, port)
            try:
                once = Round(server, load, options.seconds)
                for cell in CELLS:
                    if not _wanted(cell.name, options.cells):
                        continue
                    per_cpu, busy = once.packets(cell)
                    mine[cell.name].append(per_cpu)
                    mine[f"{cell.name} busy"].append(busy)
                if _wanted("latency", options.cells):
                    direct = quantile(once.direct(), 0.5)
                    mine["latency"].append(quantile(once.latency(0), 0.5) - direct)
                    mine["latency 5k"].append(quantile(once.latency(5000.0), 0.5) - direct)
                once.close()
            finally:
                server.stop()
            if _wanted("allocations", options.cells) and number < 3:
                rate, memory = allocations(contender, port, options.idle)
                mine["allocations"].append(rate)
                mine["memory"].append(memory)
            said = {name: round(values[-1], 2 if name.endswith("busy") else None) for name, values in mine.items()}
            print(f"round {number + 1}: {contender.name}", said, file=sys.stderr)
    return competitors, figures


UNITS = {
    "latency": "µs added, nothing else going on",
    "latency 5k": "µs added, beside 5,000 packets a second",
    "allocations": "allocations per CPU-second",
    "memory": "bytes per idle allocation",
}


def both_ways(figures: dict[str, dict[str, list[float]]]) -> None:
    """As much up as down, as in a conversation: a CPU-second then carries the harmonic mean."""
    for mine in figures.values():
        for name in [name for name in mine if " up " in name and not name.endswith("busy")]:
            pairs = zip(mine[name], mine[name.replace(" up ", " down ")], strict=True)
            mine[name.replace(" up ", " both ways ")] = [2 / (1 / up + 1 / down) for up, down in pairs]


def table(figures: dict[str, dict[str, list[float]]], names: list[str], against: str) -> list[str]:
    """Medians, and how many times that of `against`; then the lowest and the highest, so that nobody has to believe a
    median."""
    contenders_ = list(figures)
    lines = ["| | " + " | ".join(contenders_) + " |", "|---" * (len(contenders_) + 1) + "|"]
    for name in names:
        cells = []
        for contender in contenders_:
            values = figures[contender].get(name)
            if not values:
                cells.append("–")
                continue
            middle = statistics.median(values)
            times = middle / statistics.median(figures[against][name])
            spread = f"{min(values):,.0f}–{max(values):,.0f}"
            cells.append(f"{middle:,.0f} (**{times:.2f}×**) <sub>{spread}</sub>")
        lines.append(f"| {name}{f', {UNITS[name]}' if name in UNITS else ''} | " + " | ".join(cells) + " |")
    return lines


def report(competitors: list[Contender], figures: dict[str, dict[str, list[float]]], command: str) -> str:
    both_ways(figures)
    newest = [each.name for each in competitors if each.name.startswith("coturn") and not each.name.endswith("gso")]
    against = newest[-1] if newest else competitors[0].name
    names = list(dict.fromkeys(name for mine in figures.values() for name in mine if not name.endswith("busy")))
    packets = sorted(name for name in names if name not in UNITS)
    return "\n".join([
        "# turn_relay: results", "",
        "    " + command, "",
        f"Medians; in bold how many times that of {against} in the same run; small, the lowest and the highest round.",
        "What is measured, and how, is in [the benchmarks' README](../README.md#turn_relay).", "",
        "## Packets per CPU-second", "",
        *table(figures, packets, against), "",
        "## The rest", "",
        *table(figures, [name for name in names if name in UNITS], against), "",
        "How busy the servers' processor was with them, at the median: "
        + ", ".join(f"{name} {_busy(mine):.0%}" for name, mine in figures.items()) + ".", "",
        "## Where", "",
        *(f"- {line}" for line in machine.say(machine.describe()).splitlines()),
    ]) + "\n"  # fmt: skip


def _busy(mine: dict[str, list[float]]) -> float:
    shares = [value for name, values in mine.items() if name.endswith("busy") for value in values]
    return statistics.median(shares) if shares else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coturn", action="append", default=[], metavar="PATH", help="another turnserver, newest last")
    parser.add_argument("--workers", type=int, default=1, help="the compiled path also with so many processes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.6, help="for each cell")
    parser.add_argument("--idle", type=int, default=IDLE, help="allocations for the memory of one")
    parser.add_argument("--only", default="", help="contenders whose names start like this")
    parser.add_argument("--cells", default="", help="cells whose names start like this")
    parser.add_argument("--json", type=Path, help="write every figure there")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/turn_relay.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        competitors, figures = measure(options, Path(scratch))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    paths = " ".join(f"--coturn {Path(path).name}" for path in options.coturn)
    if options.workers > 1:
        paths += f" --workers {options.workers}"
    command = f"python -m benchmarks.turn_relay {paths} --rounds {options.rounds} --seconds {options.seconds} --write"
    said = report(competitors, figures, command)
    print(said)
    if options.write:
        (HERE / "results" / "turn_relay.md").write_text(said)


if __name__ == "__main__":
    main()
