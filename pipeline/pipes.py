"""How a stage tells Dagster what it did; outside Dagster, nothing happens.

Every stage calls `report` once, when its outputs are written. DVC passes its environment on, so the
message arrives although `dvc repro` stands between Dagster and the stage.
"""

import os
from collections.abc import Mapping


def report(metadata: Mapping[str, str | int | float | bool]) -> None:
    """Attach values to the asset that this stage materialises, if Dagster is listening.

    Args:
        metadata: What the metrics file does not say; numbers stay numbers in Dagster's plots.
    """
    if "DAGSTER_PIPES_CONTEXT" not in os.environ:
        return
    from dagster_pipes import open_dagster_pipes

    with open_dagster_pipes() as pipes:
        pipes.report_asset_materialization(metadata=dict(metadata))
