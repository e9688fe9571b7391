"""Labels that follow from numbers or from several annotators, and the text that a row cites."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np


def cited_span(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield `cited`: the part of `string` from `citeStart` to `citeEnd`."""
    for row in rows:
        yield {**row, "cited": row["string"][row["citeStart"] : row["citeEnd"]]}


def majority_label(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield `majority`, the label that more annotators gave than any other.

    Rows without such a label are left out. `annotators` is a struct of lists or a list of structs.
    """
    for row in rows:
        annotators = row["annotators"]
        given = (
            annotators["label"]
            if isinstance(annotators, Mapping)
            else [annotator["label"] for annotator in annotators]
        )
        first, *others = Counter(given).most_common(2)
        if not others or first[1] > others[0][1]:
            yield {**row, "majority": first[0]}


def wellformedness(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield `wellformed`: 0 below a rating of 0.4 and 1 above 0.6; rows between are left out.

    Ratings were stored in 32 bits and compared in 64, in which 0.6 of 32 bits is above 0.6.

    Raises:
        ValueError: A rating is no number.
    """
    for row in rows:
        if row["rating"] is None:
            raise ValueError("a rating must be a number, got None")
        rating = float(np.float32(row["rating"]))
        if rating < 0.4 or rating > 0.6:
            yield {**row, "wellformed": int(rating > 0.6)}
