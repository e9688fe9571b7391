"""The suites that come with the library, and those of a user's files."""

from importlib import resources
from pathlib import Path

from dpf_core.errors import ConfigError
from dpf_core.evaluation.suites.suite import Member, Suite, load_suite_file
from dpf_core.gym.partitions import Partition, partitions
from dpf_core.naming import nearest

BENCHMARKS = ("superglue", "mmlu")
CROSSFIT = "INK-USC/CrossFit, arXiv 2104.08835"


def suite_names() -> tuple[str, ...]:
    """Return the names that `load_suite` knows."""
    return (*BENCHMARKS, *partitions())


def load_suite(name: str) -> Suite:
    """Return the suite of a name, or of a YAML file.

    Raises:
        ConfigError: There is no such suite or file, or the file is wrong.
    """
    if name in BENCHMARKS:
        folder = resources.files("dpf_core.evaluation.suites")
        with resources.as_file(folder.joinpath(f"{name}.yaml")) as path:
            return load_suite_file(path)
    if name in partitions():
        return _partition_suite(partitions()[name])
    if name.endswith((".yaml", ".yml")):
        return load_suite_file(Path(name))
    names = suite_names()
    raise ConfigError(
        f"the suite must be one of {', '.join(names)}, or a .yaml file, got {name!r}."
        f"{nearest(name, names)} Correct the name."
    )


def _partition_suite(partition: Partition) -> Suite:
    return Suite(
        name=partition.name,
        description=f"The target tasks of CrossFit's partition {partition.name}.",
        reference=CROSSFIT,
        notes="A pool may learn from the partition's sources; its targets are then adapted on "
        "their few-shot rows.",
        members=tuple(Member(task=task) for task in partition.targets),
        sources=partition.train,
    )
