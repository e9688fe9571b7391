"""Write the table of gains from the records."""

import sys

from pipeline.refusals import in_one_sentence
from pipeline.science.layout import Layout
from pipeline.science.settings import PARAMS
from pipeline.science.transfer import describe, write_transfer
from pipeline.steady import unchanged


@in_one_sentence("science transfer")
@unchanged(PARAMS)
def main() -> int:
    """Write the records and return the exit code."""
    print(describe(write_transfer(Layout())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
