from slidewire.host.media.tracks import KEY_EVERY, SILENCE, Publication, Subscription, Talkback
from slidewire.media.frames import Codec, Frame, Line


def video(number: int, key: bool = False) -> Frame:
    return Frame(Codec.VP8, bytes([number]) * 100, number * 3000, key)


def sound(size: int = 80) -> Frame:
    return Frame(Codec.OPUS, bytes(size), 0, is_key=True)


class Room:
    """Two cameras and a page that watches."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asked: list[str] = []
        self.seen: list[int] = []
        self.ada, self.bob = (Publication(lambda name=name: self.asked.append(name), lambda: self.now) for name in "ab")  # type: ignore[misc]
        self.page = Subscription(Line.PROGRAM, lambda line, frame: self.seen.append(frame.data[0]))


def test_nothing_passes_before_a_key_frame_and_one_is_asked_for() -> None:
    room = Room()
    room.page.switch_to(room.ada)
    for number, key in ((1, False), (2, False), (3, True), (4, False)):
        room.ada.take(video(number, key))
    assert room.seen == [3, 4] and room.asked == ["a"]


def test_of_a_source_that_is_left_nothing_more_passes() -> None:
    room = Room()
    room.page.switch_to(room.ada)
    room.ada.take(video(1, key=True))
    room.page.switch_to(room.bob)
    room.ada.take(video(2))
    room.bob.take(video(3))
    room.bob.take(video(4, key=True))
    room.page.switch_to(None)
    room.bob.take(video(5))
    assert room.seen == [1, 4] and room.asked == ["a", "b"]


def test_a_source_is_asked_for_one_key_frame_a_second_however_many_watch() -> None:
    room = Room()
    pages = [Subscription(Line.PROGRAM, lambda line, frame: None) for _ in range(5)]
    for page in pages:
        page.switch_to(room.ada)
        page.want_key()
    assert room.asked == ["a"]
    room.now += KEY_EVERY
    for page in pages:
        page.want_key()
    assert room.asked == ["a", "a"]


def test_who_speaks_first_has_the_word_until_a_second_of_silence() -> None:
    talk, now = Talkback(), 50.0
    said = [
        (talk.receive(who, sound(size), now + after), talk.speaker)
        for who, size, after in (
            (1, 80, 0.0),
            (2, 80, SILENCE / 2),
            (1, 2, SILENCE),  # discontinuous transmission is silence
            (2, 3, SILENCE),
            (2, 80, SILENCE),
        )
    ]
    assert said == [(True, 1), (False, 1), (False, 1), (False, 1), (True, 2)]


def test_who_leaves_gives_the_word_back() -> None:
    talk = Talkback()
    talk.receive(1, sound(), 0.0)
    assert [talk.ends(2), talk.ends(1), talk.receive(2, sound(), 0.1)] == [False, True, True]
    assert talk.speaker == 2


def test_a_watcher_that_fails_is_left_out_and_the_others_go_on() -> None:
    class Failing:
        def take(self, frame: Frame) -> None:
            raise RuntimeError("a watcher's trouble")

    taken: list[Frame] = []

    class Good:
        def take(self, frame: Frame) -> None:
            taken.append(frame)

    publication = Publication(lambda: None, lambda: 0.0)
    failing = Failing()
    publication.subscribe(failing)
    publication.subscribe(Good())
    one, two = (Frame(Codec.OPUS, bytes(9), number, True, None) for number in (1, 2))
    publication.take(one)
    publication.take(two)
    publication.unsubscribe(failing)
    assert taken == [one, two]
