"""A data-set repository as a set of files: on the hub, or in a folder.

`datasets.load_dataset(<hub id>)` is not used for this, because without a network it takes the
newest cached copy, whatever the revision asked for. Here the revision is resolved first and its
files come into the hub's own cache: in parallel, resumed where a download broke off, and with the
client's progress bars. The cache keeps the list of a commit's files, so that a snapshot that is not
complete is noticed without a network too.
"""

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from dpf_core.errors import GymError

README = "README.md"
_EVERYWHERE = ".gitattributes"
"""A small file that every repository of the hub has."""
_DOWNLOADS = 8
"""Files of one repository that are downloaded at a time."""


class Repository(Protocol):
    """The files of a data-set repository at one commit."""

    name: str
    """The repository's id, and its commit where it is known; no machine path."""

    def paths(self) -> list[str]:
        """Return the paths of all files."""

    def fetch(self, paths: Sequence[str]) -> Path:
        """Return a folder that has these files at these paths."""


class FolderRepository:
    """A folder with a repository's files, such as a clone; its commit is not known."""

    def __init__(self, folder: Path, hub_id: str) -> None:
        self.folder = folder
        self.name = hub_id

    def paths(self) -> list[str]:
        """Return the paths of all files but hidden ones, such as Git's own."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        relative = [path.relative_to(self.folder) for path in files]
        return [path.as_posix() for path in relative if not path.parts[0].startswith(".")]

    def fetch(self, paths: Sequence[str]) -> Path:
        """Return the folder, which has every path that it listed."""
        return self.folder


class HubRepository:
    """A repository on the hub, or in the hub's cache where there is no network.

    Args:
        hub_id: The repository, `namespace/name`.
        revision: A commit, a branch or a tag.
        cache_only: Whether the hub is not asked at all.
    """

    def __init__(self, hub_id: str, revision: str, *, cache_only: bool = False) -> None:
        from huggingface_hub import HfApi

        self.hub_id = hub_id
        self.cache_only = cache_only
        self.revision = HfApi().resolve_revision(
            hub_id, repo_type="dataset", revision=revision, local_files_only=cache_only
        )
        self.name = f"{hub_id}@{self.revision.resolved}"
        self._fetched: dict[tuple[str, ...], Path] = {}

    def paths(self) -> list[str]:
        """Return the paths of all files."""
        from huggingface_hub import get_cached_repo_tree

        self.fetch([README, _EVERYWHERE])
        tree = get_cached_repo_tree(self.hub_id, repo_type="dataset", revision=self.revision)
        return sorted(file.path for file in tree)

    def fetch(self, paths: Sequence[str]) -> Path:
        """Download what the cache lacks and return the snapshot's folder."""
        from huggingface_hub import snapshot_download

        key = tuple(paths)
        if key not in self._fetched:
            folder = snapshot_download(
                self.hub_id,
                repo_type="dataset",
                revision=self.revision,
                allow_patterns=[glob.escape(path) for path in paths],
                max_workers=_DOWNLOADS,
                local_files_only=self.cache_only,
                tqdm_class=_progress_bar(self.hub_id),
            )
            self._fetched[key] = Path(folder)
        return self._fetched[key]


def _progress_bar(name: str) -> Any:
    """Return a class of progress bars that say which repository they are about."""
    from huggingface_hub.utils.tqdm import tqdm

    untyped: Any = tqdm

    class Bar(untyped):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs | {"desc": f"{name}: {kwargs.get('desc') or ''}"})

    return Bar


class UnreachableError(GymError):
    """There is no connection to the hub, and the cache does not have what is asked for."""


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what the hub's client raises into a GymError that says what to do.

    Args:
        what: Task, repository and revision, as the message begins.
    """
    from huggingface_hub import errors

    mirror = "or use the source mirror."
    try:
        yield
    except errors.GatedRepoError as error:
        raise GymError(
            f"{what} must be open to you, got a gated data set. Accept its terms on the hub and "
            f"log in with `hf auth login`, {mirror}"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise GymError(
            f"{what} must be a public data set of the hub, got none of that id: it was renamed, "
            f"removed or made private. Correct its line in crossfit/hub.tsv, {mirror}"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise GymError(
            f"{what} must be a revision that exists, got none of that name. Correct its line in "
            f"crossfit/hub.tsv, {mirror}"
        ) from error
    except _failures() as error:
        reason = str(error).split("\n", maxsplit=1)[0].rstrip(".")
        kind = UnreachableError if _without_connection(error) else GymError
        raise kind(
            f"{what} must be reachable or whole in the hub's cache, got: {reason}. Run again with "
            f"a network (a broken download is resumed) and without HF_HUB_OFFLINE, {mirror}"
        ) from error


def _failures() -> tuple[type[Exception], ...]:
    import httpx2
    from huggingface_hub import errors

    return (
        errors.OfflineModeIsEnabled,
        errors.LocalEntryNotFoundError,
        errors.RevisionResolutionError,
        errors.HfHubHTTPError,
        httpx2.HTTPError,
    )


def _without_connection(error: BaseException | None) -> bool:
    import httpx2

    while error is not None and not isinstance(error, httpx2.TransportError):
        error = error.__cause__
    return error is not None
