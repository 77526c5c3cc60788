from slidewire.host.governor import CALM, GROWTH, HALVED_EVERY, LEAST, Governor


class Clicks:
    """What the clicks of one guest feel, measured four times a second."""

    def __init__(self) -> None:
        self.governor = Governor()
        self.now = 1000.0

    def feel(self, seconds: float, round_trip: float | None, path: str = "direct/1", unanswered: int = 0) -> float:
        """The share afterwards."""
        for _ in range(round(seconds * 4)):
            heard_at = None if round_trip is None else self.now
            self.governor.observe(path, round_trip, heard_at, unanswered, self.now)
            self.now += 0.25
        return self.governor.share


def test_media_take_everything_while_clicks_are_well() -> None:
    assert Clicks().feel(60, 0.040) == 1.0


def test_the_share_is_halved_when_the_round_trip_rises_over_its_best() -> None:
    clicks = Clicks()
    clicks.feel(5, 0.020)
    assert clicks.feel(0.25, 0.049) == 1.0, "29 ms are nothing yet"
    assert clicks.feel(0.25, 0.051) == 0.5


def test_on_a_long_way_half_as_much_again_is_too_much() -> None:
    clicks = Clicks()
    clicks.feel(5, 0.200)
    assert clicks.feel(0.25, 0.299) == 1.0
    assert clicks.feel(0.25, 0.301) == 0.5


def test_it_is_not_halved_again_before_that_could_be_felt() -> None:
    clicks = Clicks()
    clicks.feel(5, 0.020)
    clicks.feel(0.25, 0.100)
    assert clicks.feel(HALVED_EVERY - 0.25, 0.100) == 0.5
    assert clicks.feel(0.25, 0.100) == 0.25
    assert clicks.feel(10, 0.100) == LEAST


def test_what_was_measured_once_counts_once() -> None:
    governor = Governor()
    governor.observe("direct/1", 0.020, 1.0, 0, 1.0)
    for tenth in range(30):
        governor.observe("direct/1", 0.100, 2.0, 0, 2.0 + tenth / 10)
    assert governor.share > 0.5 - 1e-9


def test_one_lost_ping_is_the_weather_two_in_a_row_are_trouble() -> None:
    clicks = Clicks()
    clicks.feel(5, 0.020)
    assert clicks.feel(0.25, None, unanswered=1) == 1.0
    assert clicks.feel(0.25, None, unanswered=2) == 0.5
    assert clicks.feel(1, None, unanswered=2) == 0.5, "nothing new"
    assert clicks.feel(0.25, None, unanswered=3) == 0.25


def test_the_share_comes_back_slowly() -> None:
    clicks = Clicks()
    clicks.feel(5, 0.020)
    clicks.feel(0.25, 0.100)
    assert clicks.feel(CALM - 0.25, 0.020) == 0.5
    grown = clicks.feel(4, 0.020)
    assert 0.5 + 3 * GROWTH < grown < 0.5 + 5 * GROWTH
    assert clicks.feel(20, 0.020) == 1.0


def test_another_path_has_a_best_of_its_own() -> None:
    clicks = Clicks()
    clicks.feel(5, 0.005)
    assert clicks.feel(10, 0.180, "signaling") == 1.0


def test_a_network_that_became_slower_for_good_is_got_used_to() -> None:
    clicks = Clicks()
    clicks.feel(20, 0.020)
    clicks.feel(30, 0.100)
    assert clicks.feel(30, 0.100) == 1.0
