"""The only entry point of Dagster: `dagster dev -m pipeline.definitions`.

The project is the working directory; it holds dvc.yaml, params.yaml and data/.
"""

from pathlib import Path

import dagster as dg

from pipeline.assets import build_assets
from pipeline.automation import build_automation
from pipeline.known_tasks import known_tasks
from pipeline.resources import DvcRunner


def build_definitions(root: Path) -> dg.Definitions:
    """Return assets, checks, job, schedule and sensor of the DVC project in a directory."""
    assets = build_assets(root, known_tasks(root))
    own = dg.Definitions(
        assets=assets,
        resources={"dvc": DvcRunner(project_dir=str(root))},
        # Also for the UI's buttons: the work is in DVC's process, a worker a step would only wait.
        executor=dg.in_process_executor,
    )
    return dg.Definitions.merge(own, build_automation(asset.key.path[-1] for asset in assets))


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of the project in the working directory."""
    return build_definitions(Path.cwd())
