import pytest

from dpf_core.errors import GymError
from dpf_core.gym.staging import replaced_directory


def folder_with(path, text):
    path.mkdir()
    (path / "manifest.json").write_text(text)
    return path


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_earlier_folder_is_put_back_where_the_swap_is_interrupted(tmp_path, monkeypatch, error):
    target, renamed = folder_with(tmp_path / "gym", "earlier"), []
    rename = type(target).rename

    def interrupted(path, other):
        renamed.append(path.name)
        if len(renamed) == 2:
            raise error
        return rename(path, other)

    monkeypatch.setattr(type(target), "rename", interrupted)
    caught = pytest.raises(GymError if error is OSError else error)
    with caught, replaced_directory(target, is_ours=lambda _: True) as fresh:
        (fresh / "manifest.json").write_text("new")
    assert (target / "manifest.json").read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["gym"]
