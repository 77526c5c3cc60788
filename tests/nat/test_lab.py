import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from slidewire.testing.network import NetworkConditions
from tests.support.lab import UDP, Lab, Machine, Nat
from tests.support.timing import Timing

ROOT = Path(__file__).parents[2]
ECHO = (sys.executable, "-m", "tests.support.udp_echo")
PORT = 7000
UDP_HEADERS = 28

pytestmark = pytest.mark.lab


@dataclass
class Probe:
    round_trips: list[float | None]
    order: list[int]

    @property
    def arrived(self) -> list[float]:
        return [value for value in self.round_trips if value is not None]

    @property
    def loss(self) -> float:
        return 1 - len(self.arrived) / len(self.round_trips)

    @property
    def median(self) -> float:
        return statistics.median(self.arrived)

    @property
    def bursts(self) -> list[int]:
        """The lengths of the runs of lost ones."""
        words = "".join("." if value is None else " " for value in self.round_trips).split()
        return [len(word) for word in words]


@contextmanager
def echo_on(machine: Machine) -> Iterator[None]:
    process = subprocess.Popen(machine.command(*ECHO, "serve", str(PORT)), cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


def probe(machine: Machine, to: Machine, count: int, seconds: float) -> Probe:
    done = subprocess.run(
        machine.command(*ECHO, "probe", to.address, str(PORT), str(count), str(seconds)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return Probe(**json.loads(done.stdout))


def python(machine: Machine, program: str) -> str:
    done = subprocess.run(machine.command(sys.executable, "-c", program), capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def server(lab: Lab) -> Iterator[Machine]:
    machine = lab.machine("server")
    with echo_on(machine):
        yield machine


@pytest.mark.long
def test_calm_weather_costs_less_than_half_a_millisecond(lab: Lab, server: Machine) -> None:
    near, far = lab.machine("near"), lab.machine("far", NetworkConditions())
    assert probe(far, server, 500, 1).median < probe(near, server, 500, 1).median + 2 * 0.0005
    late = far.link.lateness()
    assert sum(late[:1]) > 0.99 * sum(late), late


def test_round_trip_and_loss_are_what_was_asked_for(lab: Lab, server: Machine, timing: Timing) -> None:
    machine = lab.machine("machine", NetworkConditions(delay=0.025))
    machine.link.set(NetworkConditions(delay=0.025, loss=0.05), "out")
    seen = probe(machine, server, 4000, 2)
    assert min(seen.arrived) >= 0.050
    timing.within(seen.median, 0.052, "half of the round trips")
    assert 0.035 < seen.loss < 0.065  # four standard deviations
    count = machine.link.counts()[UDP, server.address]
    assert count.lost == round(seen.loss * 4000) and count.packets == 8000 - count.lost
    assert count.bytes == count.packets * (100 + UDP_HEADERS)


def test_loss_comes_in_bursts_of_the_mean_length(lab: Lab, server: Machine) -> None:
    machine = lab.machine("machine", NetworkConditions())
    machine.link.set(NetworkConditions(loss=0.1, burst=4), "out")
    seen = probe(machine, server, 6000, 2)
    assert 0.06 < seen.loss < 0.14
    assert 3 < statistics.mean(seen.bursts) < 5


def test_the_same_seed_loses_the_same_datagrams() -> None:
    def lost(seed: int) -> list[int]:
        with Lab(seed) as lab:
            server = lab.machine("server")
            machine = lab.machine("machine", NetworkConditions())
            machine.link.set(NetworkConditions(loss=0.3), "out")
            with echo_on(server):
                seen = probe(machine, server, 300, 0.3)
        return [number for number, value in enumerate(seen.round_trips) if value is None]

    assert lost(1) == lost(1) != lost(2)


def test_weather_changes_under_way(lab: Lab, server: Machine) -> None:
    machine = lab.machine("machine", NetworkConditions(delay=0.005))
    assert probe(machine, server, 50, 0.1).loss == 0
    machine.link.set(NetworkConditions(loss=1.0))
    assert probe(machine, server, 50, 0.1).loss == 1
    machine.link.set(NetworkConditions(delay=0.050))
    seen = probe(machine, server, 50, 0.1)
    assert seen.loss == 0 and seen.median > 0.1


def test_datagrams_overtake_each_other(lab: Lab, server: Machine) -> None:
    machine = lab.machine("machine", NetworkConditions(delay=0.02))
    assert (straight := probe(machine, server, 500, 0.5)).order == sorted(straight.order)
    for weather in (NetworkConditions(delay=0.02, jitter=0.02), NetworkConditions(delay=0.02, reorder=0.1)):
        machine.link.set(weather)
        seen = probe(machine, server, 500, 0.5)
        assert seen.loss == 0 and seen.order != sorted(seen.order)


def test_a_rate_bounds_what_goes_through_and_fills_a_queue(lab: Lab, server: Machine, timing: Timing) -> None:
    machine = lab.machine("machine", NetworkConditions())
    machine.link.set(NetworkConditions(rate=14_200, queue=0.1), "out")  # a hundred of the probe's frames in a second
    seen = probe(machine, server, 400, 1)
    arrived = len(seen.arrived)
    assert 90 < arrived < 400, "a hundred in the second, ten from the queue, more where the probe is late"
    timing.within(arrived / 100, 1.7, "what a hundred a second would take for them")
    assert max(seen.arrived) > 0.09


@pytest.mark.long
def test_a_few_thousand_packets_a_second_go_through(lab: Lab, server: Machine) -> None:
    machine = lab.machine("machine", NetworkConditions(delay=0.01))
    seen = probe(machine, server, 3000, 1)
    assert seen.loss < 0.002
    late = machine.link.lateness()
    assert sum(late[:2]) > 0.98 * sum(late), late


def test_udp_vanishes_and_tcp_goes_on(lab: Lab, server: Machine) -> None:
    machine = lab.machine("machine", NetworkConditions())
    machine.link.block(UDP)
    assert probe(machine, server, 10, 0.1).loss == 1
    listening = subprocess.Popen(server.command(sys.executable, "-m", "http.server", "7001"), stderr=subprocess.DEVNULL)
    try:
        fetch = f"""
import time, urllib.request
for _ in range(100):
    try: print(urllib.request.urlopen("http://{server.address}:7001/", timeout=1).status); break
    except OSError: time.sleep(0.05)
"""
        assert python(machine, fetch) == "200"
    finally:
        listening.kill()
        listening.wait()
    machine.link.block()
    assert probe(machine, server, 10, 0.1).loss == 0


SEEN_FROM = """
import socket, sys
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); asker.bind(("0.0.0.0", 5000)); asker.settimeout(3)
for port in (7100, 7101):
    asker.sendto(b"?", ("{server}", port)); print(asker.recv(100).decode())
"""
TELLS = """
import socket, selectors
chosen = selectors.DefaultSelector()
for port in (7100, 7101):
    each = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); each.bind(("0.0.0.0", port)); chosen.register(each, 1)
stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("ready", flush=True)
while True:
    for key, _ in chosen.select():
        _, source = key.fileobj.recvfrom(100)
        stranger.sendto(b"a stranger", source)
        key.fileobj.sendto(f"{source[0]} {source[1]}".encode(), source)
"""


@pytest.mark.parametrize("nat", Nat)
def test_a_nat_hides_keeps_out_and_chooses_ports(lab: Lab, nat: Nat) -> None:
    server = lab.machine("server")
    machine = lab.machine("machine", NetworkConditions(), nat=nat)
    telling = subprocess.Popen(server.command(sys.executable, "-c", TELLS), stdout=subprocess.PIPE)
    try:
        assert telling.stdout is not None
        telling.stdout.readline()
        first, second = python(machine, SEEN_FROM.format(server=server.address)).splitlines()
    finally:
        telling.kill()
        telling.communicate()
    assert machine.address.startswith("198.51.100.")
    assert first.startswith("203.0.113.") and second.startswith("203.0.113.")
    if nat is Nat.PORT_RESTRICTED:
        assert first == second and first.endswith(" 5000")
    else:
        assert first != second


def test_an_address_changes_under_way(lab: Lab, server: Machine) -> None:
    machine = lab.machine("machine", NetworkConditions())
    assert probe(machine, server, 10, 0.1).loss == 0
    machine.change_address("203.0.113.77")
    own = f"import socket; u = socket.socket(2, 2); u.connect(('{server.address}', 1)); print(u.getsockname()[0])"
    assert python(machine, own) == "203.0.113.77"
    assert probe(machine, server, 10, 0.1).loss == 0


def test_two_labs_stand_side_by_side_with_the_same_addresses(lab: Lab, server: Machine) -> None:
    machine = lab.machine("machine", NetworkConditions())
    with Lab() as other:
        other.machine("server")
        alone = other.machine("machine", NetworkConditions())
        assert alone.address == machine.address
        done = subprocess.run(
            alone.command(*ECHO, "probe", server.address, str(PORT), "10", "0.1"),
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert json.loads(done.stdout)["order"] == []
    assert probe(machine, server, 10, 0.1).loss == 0


def test_nothing_stays_behind_when_its_owner_is_killed() -> None:
    program = """
import sys, time
from slidewire.testing.network import Weather
from tests.support.lab import Lab
lab = Lab(); machine = lab.machine("machine", Weather())
print(machine.namespace.pid, lab.forwarder_pid, flush=True); time.sleep(60)
"""
    owner = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pids = [int(word) for word in owner.stdout.readline().split()]
    os.kill(owner.pid, signal.SIGKILL)
    owner.communicate()
    deadline = time.monotonic() + 5
    while alive := [pid for pid in pids if _runs(pid)]:
        assert time.monotonic() < deadline, f"still there: {alive}"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # ended, and nobody has asked how: whoever inherited it will
