"""The strict world of every test: fixed seeds, deterministic algorithms, no network."""

import os
import random
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

hypothesis.settings.register_profile("strict", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile(
    "fuzz", parent=hypothesis.settings.get_profile("strict"), derandomize=False, max_examples=3_000
)
hypothesis.settings.load_profile("strict")
os.environ["HF_HUB_OFFLINE"] = "1"  # read when the hub's client is imported

LOCAL = {"127.0.0.1", "::1", "localhost"}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Seed the generators; torch is set up only where a test module has imported it."""
    random.seed(0)
    if "torch" in sys.modules:
        from dpf_core.training.determinism import make_deterministic

        make_deterministic(num_threads=1, seed=0)


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves this machine, unless the test is marked `network`."""
    if request.node.get_closest_marker("network"):
        return
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in LOCAL:
            raise ConnectionRefusedError(
                f"a test must not use the network, got a connection to {address[0]}. Mark it "
                "`network`, or replace what it fetches by a file of its own."
            )
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def backbone_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the tiny BERT; tests that change them copy them first."""
    from tests import tiny

    return tiny.backbone_folder(tmp_path_factory.mktemp("backbone") / "bert")


@pytest.fixture(scope="session")
def tiny_gym(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gym of `tiny.TASKS`, read-only by agreement."""
    from tests import tiny

    return tiny.gym(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def world(backbone_folder: Path, tiny_gym: Path) -> Iterator[Any]:
    """The tiny backbone with the tiny gym's tasks; the backbone must end as it began."""
    from tests import properties, tiny

    made = tiny.world(tiny.backbone(backbone_folder), tiny_gym)
    before = properties.copy_tensors(made.backbone)
    yield made
    assert properties.changed(before, made.backbone) == set()
