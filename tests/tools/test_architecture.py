"""docs/architecture.md says what the code is."""

import pytest

from tools.architecture import BEGIN, END, PAGE, Step, journeys, page_with, picture, without_shortcuts

JOURNEYS = list(journeys(PAGE.read_text()))


def test_the_picture_is_made_of_the_imports() -> None:
    text = PAGE.read_text()
    assert text == page_with(text, picture()), "python -m tools.architecture makes it anew"


def test_an_arrow_that_follows_from_others_is_left_out() -> None:
    graph = {"a": {"b", "c"}, "b": {"c"}, "c": set[str]()}
    assert without_shortcuts(graph) == {"a": {"b"}, "b": {"c"}, "c": set()}


def test_only_the_picture_is_replaced() -> None:
    assert page_with(f"before\n{BEGIN}\nold\n{END}\nafter", "new") == f"before\n{BEGIN}\nnew\n{END}\nafter"


@pytest.mark.parametrize(("title", "steps"), JOURNEYS, ids=[title for title, _ in JOURNEYS])
def test_a_journey_exists_and_passes_each_file_once(title: str, steps: list[Step]) -> None:
    assert len(steps) >= 8 and all(step.line > 0 for step in steps)
    files = [step.path for step in steps]
    assert len(set(files)) == len(files)


def test_there_are_three_journeys() -> None:
    assert [title.partition(":")[0] for title, _ in JOURNEYS] == ["Journey 1", "Journey 2", "Journey 3"]


def test_a_step_that_does_not_exist_is_found() -> None:
    with pytest.raises(LookupError):
        _ = Step("src/slidewire/stun/message.py", "no_such_function").line
    assert Step("web/src/protocol/presenter_session.ts", "submit").line > 0
