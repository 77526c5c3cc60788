"""A laboratory of networks: machines that are network namespaces, on links with seeded weather, some behind NATs.

    with Lab(seed=1) as lab:
        server = lab.machine("server")
        presenter = lab.machine("presenter", Weather(delay=0.025, loss=0.05), nat=Nat.PORT_RESTRICTED)
        subprocess.run(presenter.command("ping", "-c1", server.address))
        presenter.link.set(Weather(loss=1.0))

A namespace lives as long as the process that was started in it, and that one as long as the pipe from here: whatever
happens to us, nothing stays behind. Namespaces have no names, so that any number of labs can stand side by side, all
with the same addresses. All are from the ranges for documentation, and nothing leads out of the lab.

    machine ──(TAP, weather, TAP)── bridge 203.0.113.0/24 ──(veth)── machine
    machine ──(veth, 198.51.100.x/28)── NAT ──(TAP, weather, TAP)── bridge
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

from slidewire.testing.network import NetworkConditions

GATEWAY = "203.0.113.1"
NOWHERE = "203.0.113.254"
TCP, UDP = 6, 17


class Nat(StrEnum):
    PORT_RESTRICTED = "masquerade"
    """Keeps the source port if it can, the same towards everybody; lets in only who was spoken to."""
    SYMMETRIC = "masquerade fully-random"
    """Another port towards everybody."""


class Namespace:
    """A network namespace, for as long as its keeper waits for the end of its input."""

    def __init__(self) -> None:
        self._keeper = subprocess.Popen(
            ["unshare", "--net", "--", "sh", "-c", "echo; exec cat >/dev/null"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us
        )
        assert self._keeper.stdout is not None
        self._keeper.stdout.readline()  # it is inside now
        self.pid = self._keeper.pid
        self.sysctl("net/ipv6/conf/all/disable_ipv6", "1")
        self.sysctl("net/ipv4/conf/all/rp_filter", "0")
        self.ip("link set lo up")

    def command(self, *words: str) -> list[str]:
        """These words, run inside."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *words]

    def run(self, *words: str, given: str | None = None) -> str:
        done = subprocess.run(self.command(*words), input=given, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}\n{given or ''}")
        return done.stdout

    def ip(self, *commands: str) -> None:
        self.run("ip", "-batch", "-", given="\n".join(commands) + "\n")

    def sysctl(self, name: str, value: str) -> None:
        self.run("sh", "-c", f"echo {value} > /proc/sys/{name}")

    def close(self) -> None:
        self._keeper.kill()
        self._keeper.communicate()


@dataclass(slots=True)
class Count:
    packets: int = 0
    bytes: int = 0
    lost: int = 0


class Link:
    """The way between a machine (or its NAT) and the rest, which can be changed while things are under way."""

    def __init__(self, lab: Lab, name: str) -> None:
        self._lab = lab
        self._name = name

    def set(self, weather: NetworkConditions, direction: Literal["out", "in", "both"] = "both") -> None:
        """`out` is from the machine."""
        self._ask(do="weather", direction=direction, weather=asdict(weather))

    def block(self, *protocols: int) -> None:
        """These IP protocols vanish without a word, as in a strict firewall; none: everything passes."""
        self._ask(do="block", protocols=protocols)

    def separate_flows(self, separate: bool = True) -> None:
        """Each flow has loss bursts of its own, as if it had the link to itself."""
        self._ask(do="separate", separate=separate)

    def counts(self) -> dict[tuple[int, str], Count]:
        """What was sent in either direction, by protocol and address at the far end. Lost packets were sent too."""
        total: dict[tuple[int, str], Count] = {}
        for way in self._ask(do="counts").values():
            for key, (packets, size, lost) in way["counts"].items():
                protocol, address = key.split()
                count = total.setdefault((int(protocol), address), Count())
                count.packets, count.bytes, count.lost = (
                    count.packets + packets,
                    count.bytes + size,
                    count.lost + lost,
                )
        return total

    def lateness(self) -> list[int]:
        """How many packets the forwarder let go too late: by less than 0.5, 1, 2 and 5 ms, and by more."""
        ways = self._ask(do="counts").values()
        return [sum(column) for column in zip(*(way["lateness"] for way in ways), strict=True)]

    def _ask(self, **command: Any) -> Any:
        return self._lab.ask(link=self._name, **command)


class Machine:
    def __init__(self, name: str, namespace: Namespace, address: str, link: Link | None, folder: Path) -> None:
        self.name = name
        self.namespace = namespace
        self.address = address
        self._link = link
        self._folder = folder

    @property
    def link(self) -> Link:
        assert self._link is not None, f"{self.name} was made without a link that has weather"
        return self._link

    def command(self, *words: str) -> list[str]:
        """These words, run on this machine."""
        return self.namespace.command(*words)

    def program(self, path: str, first: str = "") -> str:
        """A program that runs `path` on this machine, for those who want one file name; `first` is a shell command."""
        script = self._folder / f"{self.name}-{Path(path).name}"
        script.write_text(f'#!/bin/sh\n{first}\nexec {" ".join(self.command(path))} "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return str(script)

    def change_address(self, address: str) -> None:
        """As when a phone leaves one network for another: the old address is gone at once."""
        self.namespace.ip(
            f"addr del {self.address}/24 dev eth0",
            f"addr add {address}/24 dev eth0",
            f"route replace default via {GATEWAY} dev eth0",
        )
        self.address = address


class Lab:
    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.machines: list[Machine] = []
        self._open = contextlib.ExitStack()
        self._folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="lab-")))
        self._hub = self._namespace()
        # The default route leads nowhere, but it is there: some programs take its absence for the end of the world.
        self._hub.ip(
            "link add br0 type bridge",
            f"addr add {GATEWAY}/24 dev br0",
            "link set br0 up",
            f"neigh add {NOWHERE} lladdr 02:00:00:00:00:fe dev br0",
            f"route add default via {NOWHERE}",
        )
        self._forwarder = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forwarder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
        self._open.callback(self._stop_forwarder)

    def machine(
        self,
        name: str,
        weather: NetworkConditions | None = None,
        *,
        nat: Nat | None = None,
        address: str | None = None,
        inside: str = "198.51.100",
    ) -> Machine:
        """A machine on the bridge, or behind a NAT of its own, with a part of the net `inside`. Without weather it has
        a plain cable."""
        number = len(self.machines) + 1
        address = address or f"203.0.113.{number * 10}"
        edge = self._namespace()
        link = self._connect(edge, name, number, weather)
        edge.ip(f"addr add {address}/24 dev eth0", "link set eth0 up", f"route add default via {GATEWAY}")
        namespace = edge
        if nat is not None:
            namespace, address = self._behind(edge, number, nat, inside)
        machine = Machine(name, namespace, address, link, self._folder)
        self.machines.append(machine)
        return machine

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, **command: Any) -> Any:
        """Have the forwarder do something, and wait until it is done."""
        assert self._forwarder.stdin is not None and self._forwarder.stdout is not None
        self._forwarder.stdin.write(json.dumps(command) + "\n")
        self._forwarder.stdin.flush()
        answer = self._forwarder.stdout.readline()
        if not answer:
            raise RuntimeError("the forwarder ended; see its traceback above")
        return json.loads(answer)

    @property
    def forwarder_pid(self) -> int:
        return self._forwarder.pid

    def _namespace(self) -> Namespace:
        namespace = Namespace()
        self._open.callback(namespace.close)
        return namespace

    def _connect(self, edge: Namespace, name: str, number: int, weather: NetworkConditions | None) -> Link | None:
        port = f"port{number}"
        if weather is None:
            edge.ip(f"link add eth0 type veth peer name {port} netns {self._hub.pid}")
            self._hub.ip(f"link set {port} master br0 up")
            return None
        self.ask(do="add", link=name, seed=self.seed, near=[edge.pid, "eth0"], far=[self._hub.pid, port])
        self._hub.ip(f"link set {port} master br0 up")
        link = Link(self, name)
        link.set(weather)
        return link

    def _behind(self, nat: Namespace, number: int, kind: Nat, net: str) -> tuple[Namespace, str]:
        inside = self._namespace()
        gateway, address = (f"{net}.{number * 16 + host}" for host in (1, 2))
        nat.ip(
            f"link add lan0 type veth peer name eth0 netns {inside.pid}",
            f"addr add {gateway}/28 dev lan0",
            "link set lan0 up",
        )
        inside.ip(f"addr add {address}/28 dev eth0", "link set eth0 up", f"route add default via {gateway}")
        nat.sysctl("net/ipv4/ip_forward", "1")
        # The second chain: a home router drops what nobody asked for. Without it Linux remembers an early packet of the
        # other side, gives our own later one another port, and two port-restricted NATs never meet.
        nat.run(
            *("nft", "-f", "-"),
            given=f"""
            table ip nat {{
                chain leaving {{
                    type nat hook postrouting priority 100; oifname "eth0" {kind.value};
                }}
                chain arriving {{
                    type filter hook input priority 0; iifname "eth0" ct state new meta l4proto udp drop;
                }}
            }}""",
        )
        return inside, address

    def _stop_forwarder(self) -> None:
        self._forwarder.terminate()
        self._forwarder.communicate()


@contextlib.contextmanager
def lab(seed: int = 0) -> Iterator[Lab]:
    with Lab(seed) as opened:
        yield opened


def is_possible() -> bool:
    """Whether this process may make namespaces and devices."""
    return os.geteuid() == 0 and Path("/dev/net/tun").exists()
