"""Build the rows of targets and sources, and look for leaks between them."""

import sys

from pipeline.refusals import in_one_sentence
from pipeline.science.layout import Layout
from pipeline.science.protocol import build_protocol
from pipeline.science.settings import PARAMS
from pipeline.steady import unchanged


@in_one_sentence("science protocol")
@unchanged(PARAMS)
def main() -> int:
    """Write the records and return the exit code."""
    record = build_protocol(Layout(), mirror=None, jobs=1)
    print(f"{len(record['targets'])} targets, {len(record['sources'])} sources")
    return 0


if __name__ == "__main__":
    sys.exit(main())
