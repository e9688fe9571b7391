"""The validation page: complete, self-contained, and safe whatever the gym's texts are."""

import re
from pathlib import Path

import pytest

from pipeline.validation import validate_gym
from pipeline.validation_config import ValidateConfig
from pipeline.validation_gates import GATES
from pipeline.validation_page import _code, render_validation_page
from tests.pipeline.small_gym import add, build, classification, lines, reviews

CONFIG = ValidateConfig(
    max_chars=9_000,
    max_conflict_fraction=0.05,
    min_label_fraction=0.02,
    warn_duplicate_fraction=0.01,
    warn_overlap_fraction=0.0,
)
HOSTILE = "<script>alert(1)</script> {{ 7 * 7 }} {% raw %}"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    hostile = add(reviews("hostile"), "full_train", lines([(HOSTILE, "<b>odd</b>")]))
    leak = add(reviews("leak"), "test", b"a warm and funny film\tpositive\n")
    tasks = [
        (classification("hostile", description="<i>described</i>"), hostile),
        (classification("leak"), leak),
        (classification("quiet"), reviews("quiet")),
    ]
    gym = build(tmp_path_factory.mktemp("gym"), tasks)
    return render_validation_page(validate_gym(gym, CONFIG), CONFIG)


def test_texts_of_the_gym_are_escaped_and_never_evaluated(page: str) -> None:
    assert "<script" not in page
    assert "<b>odd" not in page
    assert "<i>described" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7 * 7 }} {% raw %}" in page


def test_the_page_loads_nothing_from_elsewhere(page: str) -> None:
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<link|<img| src=", page)


def test_backticks_become_code_and_stay_escaped() -> None:
    assert _code("run `a < b` now & then") == "run <code>a &lt; b</code> now &amp; then"


def test_each_task_has_its_state_and_its_section(page: str) -> None:
    for name in ("hostile", "leak", "quiet"):
        assert f'href="#task-{name}"' in page
        assert f'id="task-{name}"' in page
    assert "1 of 3 tasks failed" in page


def test_only_failed_tasks_are_open_at_first(page: str) -> None:
    assert re.findall(r'id="task-(\w+)" open', page) == ["hostile"]


def test_every_gate_is_listed_with_its_limit(page: str) -> None:
    for gate in GATES.values():
        assert f"<td>{gate.title}</td>" in page.replace("&#39;", "'")
    assert "warning above 9,000 characters" in page


def test_a_finding_shows_its_lines_and_cure(page: str) -> None:
    assert GATES["known_label"].cure.replace("'", "&#39;") in page
    assert "Line 7" in page


def test_the_template_ships_beside_the_module() -> None:
    template = Path(render_validation_page.__code__.co_filename).parent / "templates"
    assert (template / "validation.html.j2").is_file()
