from dataclasses import replace

import pytest

from dpf_core.gym.build import build_gym
from dpf_core.gym.coverage import coverage, coverage_line
from dpf_core.gym.manifest import OfficialCount
from dpf_core.gym.sources import MirrorSource


@pytest.fixture
def manifest(make_spec, mirror, tmp_path):
    """Two official tasks, one of them verified, one source missing and one damaged."""
    specs = [make_spec(name, official=True, shots=None) for name in ("mc_taco", "sick")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dpf_core.gym.task_build.few_shot", lambda *_, **__: ([0], [0]))
        built = build_gym(MirrorSource(mirror), specs, tmp_path / "gym")
    taco, sick = built.tasks
    official = OfficialCount(matching=15, of=15)
    sick = replace(sick, status="verified", official=official, reason="")
    return replace(built, tasks=(taco, sick), missing={"imdb": "gone"}, failed={"trec": "cut"})


def test_each_of_crossfits_tasks_has_a_state_and_a_reason(manifest):
    rows = {row.name: row for row in coverage(manifest)}
    assert len(rows) == 160
    assert (rows["sick"].state, rows["sick"].matching, rows["sick"].reason) == ("verified", 15, "")
    assert (rows["mc_taco"].state, rows["mc_taco"].matching) == ("differs", 0)
    assert "mc_taco_16_13_dev.tsv" in rows["mc_taco"].reason
    assert (rows["imdb"].state, rows["imdb"].reason) == ("source missing", "gone")
    assert (rows["trec"].state, rows["trec"].reason) == ("failed", "cut")
    assert rows["paws"].state == "not chosen"


def test_one_line_sums_the_states_up(manifest):
    assert coverage_line(coverage(manifest)) == (
        "1/160 verified, 1/160 differs, 1/160 source missing, 1/160 failed, 156/160 not chosen"
    )
