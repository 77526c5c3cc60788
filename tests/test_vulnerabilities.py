"""`tools/vulnerabilities.py` calls nothing good that it could not ask about."""

from __future__ import annotations

from tools.vulnerabilities import of_json, page_packages, python_packages

WANTED = ["aiohttp==3.14.5", "yarl==1.25.1"]


def test_what_is_known_is_said_and_what_was_not_asked_too() -> None:
    answer = of_json(
        '{"dependencies": [{"name": "aiohttp", "version": "3.14.5", "vulns": [{"id": "PYSEC-1"}]},'
        ' {"name": "yarl", "skip_reason": "not found"}], "fixes": []}'
    )
    assert python_packages(answer, WANTED) == (["aiohttp==3.14.5: PYSEC-1"], ["yarl==1.25.1"])
    assert page_packages({"vulnerabilities": {"x": {"severity": "high"}}}) == (["x (high)"], [])


def test_no_answer_is_no_good_answer() -> None:
    for nothing in ("", "not JSON", "[]"):
        assert python_packages(of_json(nothing), WANTED) == ([], WANTED)
        assert page_packages(of_json(nothing)) == ([], ["the pages' packages"])


def test_all_asked_and_nothing_known_is_good() -> None:
    answer = {"dependencies": [{"name": name, "version": version, "vulns": []} for name, version in
                               (line.split("==") for line in WANTED)]}  # fmt: skip
    assert python_packages(answer, WANTED) == ([], [])
    assert page_packages({"vulnerabilities": {}}) == ([], [])
