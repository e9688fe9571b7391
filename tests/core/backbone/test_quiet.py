import pytest
from transformers.utils import logging

from dpf_core.backbone.quiet import quiet_transformers


def state():
    return logging.get_verbosity(), logging.is_progress_bar_enabled()


@pytest.mark.parametrize("has_bar", [True, False])
def test_the_model_library_is_silent_within_the_block_and_as_before_after_it(has_bar):
    (logging.enable_progress_bar if has_bar else logging.disable_progress_bar)()
    before = state()
    with quiet_transformers():
        assert state() == (logging.ERROR, False)
    assert state() == before
    logging.enable_progress_bar()


def test_what_fails_within_the_block_leaves_the_library_as_before():
    before = state()
    with pytest.raises(KeyError), quiet_transformers():
        raise KeyError
    assert state() == before
