from slidewire.host.media.media_throttle import EVERY, MediaThrottle


class Clicks:
    """What the clicks of one participant feel, measured four times a second."""

    def __init__(self) -> None:
        self.governor = MediaThrottle()
        self.now = 1000.0

    def feel(
        self,
        seconds: float,
        round_trip: float | None,
        path: str = "direct/1",
        unanswered: int = 0,
        queue: float | None = None,
    ) -> int:
        """How often media had to give way."""
        times = 0
        for _ in range(round(seconds * 4)):
            heard_at = None if round_trip is None else self.now
            times += self.governor.must_give_way(path, round_trip, heard_at, unanswered, queue, self.now)
            self.now += 0.25
        return times


def test_media_need_not_give_way_while_clicks_are_well() -> None:
    assert Clicks().feel(60, 0.040) == 0


def test_they_do_when_the_round_trip_rises_over_its_best() -> None:
    clicks = Clicks()
    clicks.feel(5, 0.020)
    assert clicks.feel(0.5, 0.049) == 0, "29 ms are nothing yet"
    assert clicks.feel(0.5, 0.051) == 1


def test_they_need_not_where_their_own_packets_find_no_queue() -> None:
    """Then a computer is busy, and less video is no help."""
    clicks = Clicks()
    clicks.feel(5, 0.020, queue=0.001)
    assert clicks.feel(10, 0.200, queue=0.010) == clicks.feel(2, None, unanswered=3, queue=0.010) == 0
    assert clicks.feel(1, 0.200, queue=0.013) == 2


def test_on_a_long_way_half_as_much_again_is_too_much() -> None:
    clicks = Clicks()
    clicks.feel(5, 0.200)
    assert clicks.feel(0.5, 0.299) == 0
    assert clicks.feel(0.5, 0.301) == 1


def test_one_late_ping_is_the_weather() -> None:
    clicks = Clicks()
    for _ in range(20):
        assert clicks.feel(0.25, 0.020) == clicks.feel(0.25, 0.300) == 0


def test_not_again_before_that_could_be_felt() -> None:
    clicks = Clicks()
    clicks.feel(5, 0.020)
    assert clicks.feel(0.5, 0.100) == 1
    assert clicks.feel(EVERY, 0.100) == 1
    assert clicks.feel(5, 0.100) == 5 / EVERY


def test_what_was_measured_once_counts_once() -> None:
    governor = MediaThrottle()
    for heard_at, round_trip in ((1.0, 0.020), (1.5, 0.100)):
        assert not governor.must_give_way("direct/1", round_trip, heard_at, 0, None, heard_at)
    gave = [governor.must_give_way("direct/1", 0.100, 2.0, 0, None, 2.0 + tenth / 10) for tenth in range(30)]
    assert gave == [True] + 29 * [False]


def test_one_lost_ping_is_the_weather_two_in_a_row_are_trouble() -> None:
    clicks = Clicks()
    clicks.feel(5, 0.020)
    assert clicks.feel(0.25, None, unanswered=1) == 0
    assert clicks.feel(0.25, None, unanswered=2) == 1
    assert clicks.feel(2, None, unanswered=2) == 0, "nothing new"
    assert clicks.feel(0.25, None, unanswered=3) == 1
    assert clicks.feel(1, None, unanswered=0) == 0


def test_another_path_has_a_best_of_its_own() -> None:
    clicks = Clicks()
    clicks.feel(5, 0.005)
    assert clicks.feel(10, 0.180, "signaling") == 0


def test_a_network_that_became_slower_for_good_is_got_used_to() -> None:
    clicks = Clicks()
    clicks.feel(20, 0.020)
    assert 0 < clicks.feel(30, 0.100) <= 60
    assert clicks.feel(30, 0.100) == 0
