"""The gym's page and the data cards: complete, self-contained, and safe whatever the texts are."""

import dataclasses
import re
from pathlib import Path

import pytest

from dpf_core.gym.manifest import OfficialCount
from pipeline.validation import validate_gym
from pipeline.validation_gates import GATES
from pipeline.validation_page import _code, render_card, render_gym, write_pages
from pipeline.validation_report import GymReport
from tests.pipeline.small_gym import (
    add,
    build,
    classification,
    free_text,
    lines,
    multiple_choice,
    questions,
    reviews,
    stories,
)
from tests.pipeline.test_validation import CONFIG

HOSTILE = "<script>alert(1)</script> {{ 7 * 7 }} {% raw %}"
OFFICIAL = OfficialCount(matching=11, of=15)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> GymReport:
    hostile = add(reviews("hostile"), "full_train", lines([(HOSTILE, "<b>odd</b>")]))
    leak = add(reviews("leak"), "test", b"a warm and funny film\tpositive\n")
    changed = {"status": "unverified", "official": OFFICIAL, "category": "other/poems"}
    changed |= {"known": "The titles are capitalised."}
    tasks = [
        (classification("hostile", description="<i>described</i>"), hostile),
        (classification("leak", provenance="generated"), leak),
        (multiple_choice("quiz"), questions("quiz")),
        (free_text("titles") | changed, stories("titles")),
    ]
    gym = build(tmp_path_factory.mktemp("gym"), tasks)
    return validate_gym(gym, dataclasses.replace(CONFIG, max_chars=9_000))


@pytest.fixture(scope="module")
def page(report: GymReport) -> str:
    return render_gym(report, CONFIG)


@pytest.fixture(scope="module")
def cards(report: GymReport) -> dict[str, str]:
    return {task.task.name: render_card(report, task) for task in report.tasks}


def test_texts_of_the_gym_are_escaped_and_never_evaluated(page: str, cards: dict[str, str]) -> None:
    card = cards["hostile"]
    for html in (page, card):
        assert "<script" not in html
        assert "<b>odd" not in html
        assert "<i>described" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7 * 7 }} {% raw %}" in card


def test_the_pages_load_nothing_from_elsewhere(page: str, cards: dict[str, str]) -> None:
    outside = re.compile(r"https?:|//[a-z]|@import|url\(|<link|<img|<script")
    assert [html for html in (page, *cards.values()) if outside.search(html)] == []


def test_backticks_become_code_and_stay_escaped() -> None:
    assert _code("run `a < b` now & then") == "run <code>a &lt; b</code> now &amp; then"


def test_the_page_links_every_card_with_its_state(page: str) -> None:
    for name in ("hostile", "leak", "quiz", "titles"):
        assert f'href="tasks/{name}.html"' in page
    assert "1 of 4 tasks failed" in page
    assert "unverified, 11 of 15" in page


def test_tasks_stand_under_the_first_level_of_their_category(page: str) -> None:
    groups = re.findall(r'colspan="7">(\w+) <span>(\d+)', page)
    assert groups == [("Other", "1"), ("Sentiment", "3")]


def test_every_gate_is_listed_with_its_limit(page: str) -> None:
    for gate in GATES.values():
        assert f"<td>{gate.title}</td>" in page.replace("&#39;", "'")
    assert "warning above 9,000 characters" in page


def test_leaks_are_grouped_and_linked_from_both_sides(page: str, cards: dict[str, str]) -> None:
    chips = '<li><a href="tasks/hostile.html">hostile</a></li><li><a href="tasks/leak.html">'
    assert chips in page
    assert 'href="leak.html"' in cards["hostile"]
    assert "Rows shared with other tasks" not in cards["quiz"]


def test_a_card_shows_findings_with_lines_and_cure(cards: dict[str, str]) -> None:
    assert GATES["known_label"].cure.replace("'", "&#39;") in cards["hostile"]
    assert "Line 7" in cards["hostile"]
    assert "every check passed" in cards["quiz"]


def test_a_card_says_what_a_reader_must_know(cards: dict[str, str]) -> None:
    assert "4 of 15 files differ from those that CrossFit published" in cards["titles"]
    assert "Known: The titles are capitalised." in cards["titles"]
    assert "made by a program and not by people" in cards["leak"]


def test_every_page_is_written_where_the_links_point(tmp_path: Path, report: GymReport) -> None:
    index = write_pages(report, CONFIG, tmp_path / "out")
    pages = [index, *(tmp_path / "out" / "tasks").iterdir()]
    assert len(pages) == 5
    for html in pages:
        links = re.findall(r'href="([^"#]+)"', html.read_text(encoding="utf-8"))
        assert [link for link in links if not (html.parent / link).is_file()] == []
