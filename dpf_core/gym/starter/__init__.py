"""The starter gym: tasks from text that installed packages carry, and from grammars.

No row lives in this repository. `../specs/starter.yaml` says what each task is and where its rows
come from; this package reads, cleans, limits and splits them.
"""

from dpf_core.gym.starter.source import StarterSource

__all__ = ["StarterSource"]
