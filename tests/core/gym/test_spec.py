import pytest

from dpf_core.errors import GymError
from dpf_core.gym.catalogue import load_catalogue
from dpf_core.gym.official import official_md5, official_tasks
from dpf_core.gym.spec import load_specs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lables": ["a"]}, "got 'lables'. Did you mean 'labels'?"),
        ({"description": None}, "description must be given"),
        ({"kind": "clasification"}, "kind must be one of classification, multiple_choice"),
        ({"metric": "F1"}, "metric must be one of ACC"),
        ({"labels": [True, False]}, "labels must be a list of texts, got [True, False]"),
        ({"labels": ["good", "good"]}, "two or more different"),
        ({"labels": None}, "labels must be listed for classification"),
        ({"options": ["a"]}, "options must be given for multiple_choice or text alone"),
        ({"label_texts": {"god": "well"}}, "got 'god'. Did you mean 'good'?"),
        ({"shots": 0}, "shots must be >= 1, got 0"),
        ({"source": {"id": "../x"}}, "plain folder names, got '../x'"),
        ({"source": {"id": "x", "revision": 1}}, "got 'revision'"),
        ({"official": True}, "official must name a CrossFit task, got 'reviews'"),
        ({"clean": ["tidy"]}, "a cleaning must be one of strip"),
    ],
)
def test_a_wrong_field_is_refused_by_name_and_value(make_spec, changes, message):
    with pytest.raises(GymError) as caught:
        make_spec(**changes)
    assert "task 'reviews'" in str(caught.value)
    assert message in str(caught.value)


def test_an_unsafe_task_name_is_refused(make_spec):
    with pytest.raises(GymError, match=r"got '\.\./x'"):
        make_spec("../x")


def test_a_task_written_twice_in_one_file_is_refused(tmp_path):
    path = tmp_path / "specs.yaml"
    path.write_text("trec:\n  kind: classification\ntrec:\n  kind: classification\n")
    with pytest.raises(GymError, match="the key 'trec' stands twice"):
        load_specs(path)


def test_an_official_task_takes_metric_and_shots_from_crossfits_table():
    spec = load_catalogue("mirror")["glue-sst2"]
    assert (spec.metric, spec.shots, spec.official) == ("ACC", 16, True)


def test_an_official_task_must_not_repeat_the_table(make_spec):
    with pytest.raises(GymError, match="shots must not be written for an official task, got 2"):
        make_spec("trec", official=True)


def test_label_texts_describe_labels_whose_names_are_codes():
    spec = load_catalogue("mirror")["trec"]
    assert set(spec.label_texts) == set(spec.labels)


def test_the_facts_cover_160_tasks_and_2400_files():
    files = [name for task in official_tasks() for name in official_md5(task)]
    assert (len(official_tasks()), len(set(files))) == (160, 2400)
    assert official_md5("trec")["trec_16_13_dev.tsv"] == "9615da25db2fd2161bb5c6281644f12a"
    assert official_md5("reviews") == {}
