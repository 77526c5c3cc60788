from hypothesis import given
from hypothesis import strategies as st

from slidewire.host.show.fair_queue import FairQueue


def drained(queue: FairQueue[str]) -> list[str]:
    taken = []
    while queue:
        taken.append(queue.pop())
    return taken


def test_links_take_turns_and_so_do_the_sessions_of_a_link() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "a3"):
        queue.put("flood", 1, item)
    queue.put("flood", 2, "b1")
    queue.put("speaker", 3, "c1")
    queue.put("speaker", 3, "c2")
    assert drained(queue) == ["a1", "c1", "b1", "c2", "a2", "a3"]


def test_what_a_session_that_is_gone_put_in_is_dropped() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.put("link", 1, "a")
    queue.put("link", 2, "b")
    queue.forget("link", 1)
    queue.forget("other", 1)
    assert drained(queue) == ["b"]
    assert not queue


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(1, 3)), max_size=60))
def test_nothing_is_lost_and_the_order_of_a_session_is_kept(put: list[tuple[str, int]]) -> None:
    queue: FairQueue[tuple[str, int, int]] = FairQueue()
    for number, (link, session) in enumerate(put):
        queue.put(link, session, (link, session, number))
    taken = []
    while queue:
        taken.append(queue.pop())
    assert sorted(taken, key=lambda item: item[2]) == [(*who, number) for number, who in enumerate(put)]
    for who in set(put):
        own = [item[2] for item in taken if item[:2] == who]
        assert own == sorted(own)


@given(st.integers(1, 300), st.integers(1, 5))
def test_an_item_waits_for_one_item_of_each_other_link_at_most(flood: int, links: int) -> None:
    queue: FairQueue[str] = FairQueue()
    for link in range(links):
        for session in range(flood):
            queue.put(f"flood {link}", session, "flood")
    queue.put("speaker", 0, "click")
    assert drained(queue).index("click") <= links
