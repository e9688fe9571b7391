"""The exception tree of the library.

Every message follows one template: what must be contract, got value (and where). Cure.

    DPFError
    ├── ConfigError       a parameter is outside its contract (also a ValueError)
    ├── GymError          a task, split or row is wrong (also a ValueError)
    ├── ShapeError        a tensor has another shape than documented (also a ValueError)
    ├── TaskIdError       a task id or name that the pool does not have (also a ValueError)
    ├── CheckpointError   a saved pool or checkpoint is damaged or belongs elsewhere
    ├── ExportError       the exported files disagree with torch
    └── ProcessError      another process of the same training has ended
"""


class DPFError(Exception):
    """Base of every error that this project raises on purpose."""


class ConfigError(DPFError, ValueError):
    """A parameter is outside its contract."""


class GymError(DPFError, ValueError):
    """A task, a split or a row of the gym is wrong."""


class ShapeError(DPFError, ValueError):
    """A tensor has another shape than documented."""


class TaskIdError(DPFError, ValueError):
    """A task id or task name that the pool does not have."""


class CheckpointError(DPFError):
    """A saved pool or checkpoint is damaged or belongs to something else."""


class ExportError(DPFError):
    """The exported files disagree with torch, or cannot be written."""


class ProcessError(DPFError):
    """Another process of the same training has ended or does not answer."""
