"""What settings must say of each other, so that nothing is refused after hours of training.

The range of a single setting of the library is checked by its own dataclass.
"""

from collections.abc import Sequence
from pathlib import Path

from dpf_core.adaptation_sources import check_start
from dpf_core.errors import ConfigError
from pipeline.science.settings import (
    MethodSettings,
    ScienceSettings,
    SourceSettings,
    SweepPoint,
    check_choice,
    is_name,
)

_SHARED_PROMPTS = ("dpf", "shared_prompt", "mpt")
"""Methods whose tasks train prompts together, as `DPFModel.has_shared_prompts` says of a model."""


def check_settings(settings: ScienceSettings, path: Path) -> None:
    """Return if the settings can be run.

    Args:
        settings: Each section is whole and in its range.
        path: Of their file, for messages.

    Raises:
        ConfigError: They cannot.
    """
    _check_numbers(settings, path)
    _check_tuning(settings, path)
    for key in ("baseline", "challenger"):
        check_choice(getattr(settings.gain, key), settings.methods, f"gain.{key} in {path}")
    _check_lengths(settings, path)
    for name, source in settings.sources.items():
        _check_source(settings, source, f"sources.{name} in {path}")
    for name, method in settings.methods.items():
        where = f"methods.{name} in {path}"
        _check_start(settings, method, where)
        _check_points(method.sweep, where)
        _check_backbone(settings, method.model.method, where)


def check_name(name: object, section: str, path: Path) -> str:
    """Return the name of a source or a method if it can stand in the name of a file.

    Raises:
        ConfigError: It cannot.
    """
    if not isinstance(name, str) or not is_name(name):
        raise ConfigError(
            f"a name in {section} of {path} must be of lower-case letters, digits and '_', got "
            f"{name!r}: files are named after it. Rename it."
        )
    return name


def _check_numbers(settings: ScienceSettings, path: Path) -> None:
    for section, key, value, least in (
        ("runtime", "num_threads", settings.runtime.num_threads, 1),
        ("gain", "num_resamples", settings.gain.num_resamples, 1),
        ("gain", "num_draws", settings.gain.num_draws, 1),
        ("gain", "draw_seed", settings.gain.draw_seed, 0),
        ("gym", "max_leak_fraction", settings.gym.max_leak_fraction, 0),
    ):
        if not value >= least:
            raise ConfigError(
                f"{section}.{key} in {path} must be >= {least}, got {value}. Correct it."
            )
    if not settings.gain.floor > 0:
        raise ConfigError(
            f"gain.floor in {path} must be > 0, got {settings.gain.floor}: it divides where a "
            "baseline scores nothing. Use a small score such as 0.05."
        )


def _check_tuning(settings: ScienceSettings, path: Path) -> None:
    targets = settings.tuning.targets
    double = sorted({name for name in targets if targets.count(name) > 1})
    if not targets or double:
        raise ConfigError(
            f"tuning.targets in {path} must name each of at least one once, got "
            f"{', '.join(double) + ' twice' if double else 'none'}. Correct the list."
        )
    for target in targets:
        check_choice(target, settings.gym.targets, f"a target of tuning in {path}")
    if settings.tuning.seed not in settings.gym.seeds:
        raise ConfigError(
            f"tuning.seed in {path} must be one of {settings.gym.seeds}, got "
            f"{settings.tuning.seed}. Correct it."
        )


def _check_source(settings: ScienceSettings, source: SourceSettings, where: str) -> None:
    method = source.model.method
    if method == "attempt":
        raise ConfigError(
            f"the method of a source must be any but attempt, got it ({where}): it attends to "
            "prompts that were trained before. Use single_task for those."
        )
    if source.train.loss_balancing == "gradnorm" and method not in _SHARED_PROMPTS:
        raise ConfigError(
            f"loss_balancing must be equal where the tasks share no prompt, got gradnorm with the "
            f"method {method} ({where}). Set `train: {{loss_balancing: equal}}` there."
        )
    _check_backbone(settings, method, where)
    if source.teacher is None:
        return
    teachers = [
        name
        for name, found in settings.sources.items()
        if found.model.method == "single_task" and found.teacher is None
    ]
    check_choice(source.teacher.source, teachers, f"the teacher of {where}")
    if not source.teacher.weight > 0:
        raise ConfigError(
            f"weight must be > 0, got {source.teacher.weight} (teacher of {where}). Write "
            "`teacher: null` to train without one."
        )


def _check_start(settings: ScienceSettings, method: MethodSettings, where: str) -> None:
    """Return if the library can adapt the method from its source."""
    source = None
    if method.source is not None:
        check_choice(method.source, settings.sources, f"the source of {where}")
        source = settings.sources[method.source].model
    if method.retrieves != (method.model.method == "single_task" and source is not None):
        raise ConfigError(
            "retrieves must be true where, and only where, a single_task method has a source, got "
            f"{method.retrieves} ({where}). Correct it, or the source."
        )
    try:
        check_start(method.model, source, from_one_prompt=method.retrieves)
    except ConfigError as error:
        raise ConfigError(f"{error} It is the source of {where}.") from error


def _check_backbone(settings: ScienceSettings, method: str, where: str) -> None:
    if method != "full_finetune":
        return
    backbone = settings.backbone
    if backbone.precision != "fp32" or backbone.quantization is not None:
        raise ConfigError(
            "backbone.precision must be fp32 and backbone.quantization null where full_finetune "
            f"trains the weights, got {backbone.precision} and {backbone.quantization} ({where}). "
            "Correct them, or remove what trains them."
        )


def _check_points(sweep: Sequence[SweepPoint], where: str) -> None:
    for number, point in enumerate(sweep):
        if (point.train, point.adapt) in [(other.train, other.adapt) for other in sweep[:number]]:
            raise ConfigError(
                f"points of a sweep must be different ones, got {dict(point.values)} twice (the "
                f"sweep of {where}). Remove one, or change it."
            )


def _check_lengths(settings: ScienceSettings, path: Path) -> None:
    most = len(settings.methods[settings.gain.baseline].sweep)
    for name, method in settings.methods.items():
        if len(method.sweep) > most:
            raise ConfigError(
                f"a sweep must have at most as many points as the baseline's, {most}, got "
                f"{len(method.sweep)} (methods.{name} in {path}). A baseline that is tuned less "
                "makes gains; shorten the sweep, or lengthen the baseline's."
            )
