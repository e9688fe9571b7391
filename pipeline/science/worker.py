"""What one process keeps between cells: backbone, source models, tokenised rows.

A cell is a minute of arithmetic, so nothing is loaded or tokenised twice.
"""

import copy
from functools import cached_property

from dpf_core.backbone.frozen import Backbone
from dpf_core.backbone.loading import load_backbone
from dpf_core.errors import CheckpointError
from dpf_core.examples import TaskExamples, encode_rows, head_spec
from dpf_core.heads import HeadSpec
from dpf_core.model import DPFModel
from dpf_core.pool_io import load_pool
from dpf_core.training.determinism import make_deterministic
from pipeline.science.environment import Environment
from pipeline.science.keys import code_hash, source_key
from pipeline.science.layout import Layout
from pipeline.science.rows import ScienceGym
from pipeline.science.settings import ScienceSettings


class Worker:
    """A process at work.

    Args:
        settings: Of the science.
        layout: Where source models lie.
        gym: Built and checked.
        environment: What keys say of this machine.
    """

    def __init__(
        self,
        settings: ScienceSettings,
        layout: Layout,
        gym: ScienceGym,
        environment: Environment,
    ) -> None:
        self.settings, self.layout, self.gym = settings, layout, gym
        self.environment = environment
        code_hash()  # kept from now on: files may change while cells run
        self._sources: dict[str, DPFModel] = {}  # by key
        self._rows: dict[tuple[str, str, int], TaskExamples] = {}

    @cached_property
    def backbone(self) -> Backbone:
        """The backbone, which no cell changes."""
        return load_backbone(self.settings.backbone, device=self.settings.runtime.device)

    def under(self, settings: ScienceSettings) -> "Worker":
        """Return a worker of other settings that shares what this one has loaded.

        Args:
            settings: Of the same backbone and machine; other tasks, models and trainings.
        """
        own = self.settings
        assert (settings.backbone, settings.runtime) == (own.backbone, own.runtime)
        _ = self.backbone  # loaded once, whoever asks first
        other = copy.copy(self)
        other.settings = settings
        return other

    def seed(self, seed: int) -> None:
        """Start anew from a seed, whatever ran before in this process."""
        make_deterministic(num_threads=self.settings.runtime.num_threads, seed=seed)

    def spec(self, task: str) -> HeadSpec:
        """Return what a head must know of a task."""
        return head_spec(self.gym.task(task))

    def source(self, name: str) -> DPFModel:
        """Return a trained source model, which no cell changes.

        Raises:
            CheckpointError: It is not there, or damaged.
        """
        key = source_key(self.settings, name, self.environment, self.gym)
        if key not in self._sources:
            folder = self.layout.source_model(name, key)
            try:
                model = load_pool(folder, self.backbone)
            except CheckpointError as error:
                raise CheckpointError(
                    f"a source model must be whole and of this version, got: {error} Remove "
                    f"{folder}; it is trained again."
                ) from error
            self._sources.clear()  # one at a time: memory
            self._sources[key] = model
        return self._sources[key]

    def rows(self, task: str, split: str, seed: int) -> TaskExamples:
        """Return a target's rows, tokenised, as those of task 0.

        Raises:
            GymError: A file is missing or has changed, or a row is wrong.
        """
        place = (task, split, 0 if split == "test" else seed)  # one test file for all seeds
        if place not in self._rows:
            rows = self.gym.rows(task, split, seed)
            self._rows[place] = encode_rows(rows, self.spec(task), 0, self.backbone)
        return self._rows[place]
