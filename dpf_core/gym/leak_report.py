"""What the leak detector finds, as plain values."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlap:
    """The rows of one part of a target that a source is trained on."""

    rows: int
    """All rows of the part; the few-shot rows are the train and dev rows of all seeds."""
    same: int
    """Rows whose words are those of a training row."""
    near: int
    """Further rows of which a training row holds nearly all."""

    @property
    def share(self) -> float:
        """The share of the part's rows that leak."""
        return (self.same + self.near) / self.rows if self.rows else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the counts and the share as JSON values."""
        return {**asdict(self), "share": round(self.share, 4)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Leak:
    """What one task's training rows hold of another task."""

    source: str
    target: str
    test: Overlap
    few_shot: Overlap
    examples: tuple[tuple[int, int], ...]
    """Line in the target's test file and line in the source's full_train file, the first ones."""

    @property
    def share(self) -> float:
        """The larger of the shares of its two parts."""
        return max(self.test.share, self.few_shot.share)

    def to_json(self) -> dict[str, Any]:
        """Return the leak as JSON values."""
        return {
            "source": self.source,
            "target": self.target,
            "test": self.test.to_json(),
            "few_shot": self.few_shot.to_json(),
            "examples": [{"test_line": to, "full_train_line": by} for to, by in self.examples],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakReport:
    """All leaks of a gym, those with the largest share of test rows first."""

    min_similarity: float
    num_tasks: int
    train_rows: int
    target_rows: int
    leaks: tuple[Leak, ...]

    def above(self, share: float) -> tuple[Leak, ...]:
        """Return the leaks of more than a share of the target's test or few-shot rows."""
        return tuple(leak for leak in self.leaks if leak.share > share)

    def groups(self, share: float) -> tuple[tuple[str, ...], ...]:
        """Return the tasks that leak into each other, directly or through others, in groups.

        Between a source and a target of one group a score says little about transfer.
        """
        group = {name: {name} for leak in self.leaks for name in (leak.source, leak.target)}
        for leak in self.above(share):
            group[leak.source] |= group[leak.target]
            for name in group[leak.source]:
                group[name] = group[leak.source]
        found = {tuple(sorted(names)) for names in group.values() if len(names) > 1}
        return tuple(sorted(found))

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {**asdict(self), "leaks": [leak.to_json() for leak in self.leaks]}


def order(leak: Leak) -> tuple[float, float, str, str]:
    """Return the key by which leaks are sorted: the largest share of test rows first."""
    return (-leak.test.share, -leak.few_shot.share, leak.target, leak.source)
