import re

from dpf_core.gym.catalogue import load_catalogue
from dpf_core.gym.hub_table import EXPORT, STATUSES, hub_table

ENTRIES = list(hub_table().values())


def test_every_source_of_the_catalogue_has_a_line():
    wanted = {(spec.source_id, spec.source_config) for spec in load_catalogue("hub").values()}
    assert wanted - hub_table().keys() == set()


def is_sound(entry):
    place = entry.revision == EXPORT or re.fullmatch(r"[0-9a-f]{40}", entry.revision)
    honest = entry.confirmed != ("unconfirmed" in entry.note)
    name = re.fullmatch(r"[\w.-]+/[\w.-]+", entry.hub_id)
    return name and place and honest and entry.status in STATUSES and entry.note


def test_each_line_names_a_namespaced_id_a_fixed_place_and_what_is_known():
    assert [entry for entry in ENTRIES if not is_sound(entry)] == []


def test_no_source_has_two_lines():
    assert len(ENTRIES) == len({(e.source_id, e.source_config) for e in ENTRIES})
    assert all(key == (e.source_id, e.source_config) for key, e in hub_table().items())


def test_renumbered_labels_are_labels_of_the_tasks_that_read_them():
    tasks = load_catalogue("hub").values()
    for task in tasks:
        labels = hub_table()[task.source_id, task.source_config].labels
        assert set(labels.get(task.answer, ())) <= set(task.labels)
