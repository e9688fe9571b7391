"""A stage whose processes join, leave a file each and wait for one another; for test_processes.py.

`python -m tests.pipeline.idle_stage DEVICE`, in a folder for the files.
"""

import sys
import time
from pathlib import Path

from dpf_core.config import RuntimeConfig
from pipeline.processes import in_one_voice, is_launched, joined, launch
from pipeline.refusals import in_one_sentence


@in_one_sentence("idle")
@in_one_voice()
def main():
    runtime = RuntimeConfig(num_threads=1, num_processes=2, device=sys.argv[1])
    if not is_launched():
        return launch("tests.pipeline.idle_stage", sys.argv[1:], runtime)
    with joined(runtime) as processes:
        Path(f"joined-{processes.rank}").touch()
        while True:
            processes.barrier()
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
