import random

from slidewire.testing.network import NetworkConditions, SimulatedPath


def fates(path: SimulatedPath, flows: str, count: int) -> dict[str, list[bool]]:
    """Whether each datagram of each flow arrives; the flows take turns."""
    told: dict[str, list[bool]] = {flow: [] for flow in flows}
    for number in range(count):
        for flow in flows:
            told[flow].append(path.send(b"", number / 1000, flow if len(flows) > 1 else None))
    return told


def test_bursts_have_their_mean_length_and_their_share() -> None:
    path = SimulatedPath(NetworkConditions(loss=0.1, burst=4), random.Random(1))
    (told,) = fates(path, "x", 100_000).values()
    bursts = "".join(" " if arrives else "x" for arrives in told).split()
    assert 0.095 < 1 - sum(told) / len(told) < 0.105
    assert 3.8 < sum(map(len, bursts)) / len(bursts) < 4.2


def test_each_flow_has_bursts_of_its_own() -> None:
    path = SimulatedPath(NetworkConditions(loss=0.5, burst=50), random.Random(1))
    first, second = fates(path, "ab", 20_000).values()
    agreement = sum(a == b for a, b in zip(first, second, strict=True)) / len(first)
    assert 0.4 < agreement < 0.6, "in one chain for both it would be 0.98"


def test_a_rate_delays_and_then_drops() -> None:
    path = SimulatedPath(NetworkConditions(rate=1000, queue=0.5), random.Random(1))
    assert [path.send(bytes(100), 0.0) for _ in range(10)] == [True] * 6 + [False] * 4
    arrivals = []
    while (due := path.next_arrival()) is not None:
        arrivals.append(round(due, 3))
        path.deliver(due)
    assert arrivals == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
