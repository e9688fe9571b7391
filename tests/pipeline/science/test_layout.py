from pathlib import Path

import pytest

from dpf_core.errors import ConfigError
from pipeline.science.layout import WORK, Layout


def test_the_projects_own_settings_have_the_projects_own_folders(tmp_path):
    own = Layout.below(tmp_path, tmp_path / "pipeline" / "science" / "params.yaml")
    assert own == Layout.below(tmp_path)
    assert Layout.below(Path()) == Layout()


def test_what_follows_from_other_settings_lies_apart_under_the_name_of_their_file(tmp_path):
    usual, other = Layout.below(tmp_path), Layout.below(tmp_path, Path("elsewhere/big_t5.yaml"))
    assert other.params == Path("elsewhere/big_t5.yaml")
    assert other.metrics == usual.metrics / "configurations" / "big_t5"
    assert other.transfer == other.metrics / "transfer.json"
    assert other.work == tmp_path / WORK / "configurations" / "big_t5"  # Git and DVC ignore it


def test_a_command_names_other_settings_and_never_the_projects_own(tmp_path):
    assert Layout().option == Layout.below(tmp_path).option == ""
    assert Layout.below(tmp_path, Path("my runs/t5.yaml")).option == " --params 'my runs/t5.yaml'"


def test_a_file_after_which_no_folder_can_be_named_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"lower-case letters.*got 'Big T5'.*Rename it"):
        Layout.below(tmp_path, Path("Big T5.yaml"))
