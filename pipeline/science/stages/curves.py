"""Write the summary of all studies from the records."""

import sys

from pipeline.refusals import in_one_sentence
from pipeline.science.curves import describe, write_studies
from pipeline.science.layout import STUDIES, Layout
from pipeline.science.settings import PARAMS
from pipeline.steady import unchanged


@in_one_sentence("science curves")
@unchanged(PARAMS, STUDIES)
def main() -> int:
    """Write the records and return the exit code."""
    print(describe(write_studies(Layout())["studies"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
