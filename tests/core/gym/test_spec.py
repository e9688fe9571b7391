import pytest

from dpf_core.errors import GymError
from dpf_core.gym.catalogue import load_catalogue
from dpf_core.gym.official import official_md5, official_tasks
from dpf_core.gym.spec import check_keys, load_specs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lables": ["a"]}, "got 'lables'. Did you mean 'labels'?"),
        ({"description": None}, "description must be given"),
        ({"kind": "clasification"}, "kind must be one of classification, multiple_choice"),
        ({"metric": "F1"}, "metric must be one of ACC"),
        ({"labels": [True, False]}, "labels must be a list of texts, got [True, False]"),
        ({"labels": ["good", "good"]}, "two or more different"),
        ({"labels": ["good", "good "]}, "two or more different"),
        ({"labels": ["US", "us"], "metric": "ACC"}, "differ in more than upper and lower case"),
        ({"metric": "Matthew-Correlation"}, "labels must hold 'acceptable'"),
        ({"metric": "Pearson-Correlation"}, "labels must be numbers"),
        ({"labels": None}, "labels must be listed for classification"),
        ({"options": ["a"]}, "options must be given for multiple_choice or text alone"),
        ({"label_texts": {"god": "well"}}, "got 'god'. Did you mean 'good'?"),
        ({"shots": 0}, "shots must be >= 1, got 0"),
        ({"source": {"id": "../x"}}, "plain folder names, got '../x'"),
        ({"source": {"id": "x", "revision": 1}}, "got 'revision'"),
        ({"official": True}, "official must name a CrossFit task, got 'reviews'"),
        ({"clean": ["tidy"]}, "a cleaning must be one of strip"),
        ({"answer": "label|tidy"}, "a filter must be one of strip"),
        ({"sampling": "all"}, "sampling must be one of per_label, overall, got 'all'"),
        ({"carve": {"train": 0.5}}, "of a task without a test split, got {'train': 0.5}"),
        ({"carve": {"part": 0.5}, "splits": {"train": "train"}}, "got {'part': 0.5}"),
        ({"test_fraction": 0.0}, "test_fraction must be in (0, 1]"),
        ({"test_fraction": 0.5, "splits": {"train": "train"}}, "with test split None"),
        ({"compute": "sums"}, "compute and compute_columns must be given together"),
        ({"keep": {"label": 1}}, "keep must be a mapping of field to a list of values"),
        ({"option_style": "{letter}"}, "option_style must hold {letter} and {text}"),
        ({"distinct_answers": "sorted"}, "distinct_answers must be given for text alone"),
        ({"first_option": 1}, "first_option must be given for multiple_choice alone, got 1"),
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


def test_columns_are_those_that_fields_read(make_spec):
    spec = make_spec(
        kind="multiple_choice", labels=None, input="{a.b}{options} {c|strip}", options=["d.text"],
        option_letters="d.label", answer="e", keep={"f": [1]}, drop={"g.h": [2]},
    )  # fmt: skip
    assert spec.columns == ("a", "c", "d", "e", "f", "g")
    assert spec.optional_columns == ()


def test_a_computed_task_needs_its_own_columns_and_reads_others_that_are_there(make_spec):
    spec = make_spec(compute="majority_label", compute_columns=["votes"], input="{text} {more}")
    assert (spec.columns, spec.optional_columns) == (("votes",), ("text", "more", "label"))


def test_the_facts_cover_160_tasks_and_2400_files():
    files = [name for task in official_tasks() for name in official_md5(task)]
    assert (len(official_tasks()), len(set(files))) == (160, 2400)
    assert official_md5("trec")["trec_16_13_dev.tsv"] == "9615da25db2fd2161bb5c6281644f12a"
    assert official_md5("reviews") == {}


def test_a_key_that_is_no_text_is_refused():
    with pytest.raises(GymError, match=r"must be one of .*, got 3"):
        check_keys("a file", {3: "x"}, {"name"}, {"name"})
