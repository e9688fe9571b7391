"""Let every target join the pool, where that is not recorded; fail if an earlier task changed."""

import sys

from pipeline.refusals import in_one_sentence
from pipeline.science.appending import append_targets, describe, has_changed
from pipeline.science.layout import Layout
from pipeline.science.protocol import open_place
from pipeline.science.settings import PARAMS
from pipeline.steady import unchanged


@in_one_sentence("science append")
@unchanged(PARAMS)
def main() -> int:
    """Write the record and return the exit code."""
    place = open_place(Layout(), mirror=None, jobs=1)
    settings = place.settings
    record = append_targets(place, settings.gain.challenger, settings.gym.seeds[0])
    print(describe(record))
    return int(has_changed(record))


if __name__ == "__main__":
    sys.exit(main())
