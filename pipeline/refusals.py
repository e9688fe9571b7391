"""How a command ends when it cannot do its work: one sentence on stderr and an exit code."""

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

from dpf_core.errors import DPFError

P = ParamSpec("P")

REFUSED = 1
INTERRUPTED = 128 + 2
"""What a shell reports of a command that SIGINT ended."""


def in_one_sentence(name: str) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Return a decorator for a command's `main`; what is our own mistake keeps its traceback.

    Args:
        name: Of the command, first word of the sentence.
    """

    def decorate(main: Callable[P, int]) -> Callable[P, int]:
        @functools.wraps(main)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> int:
            try:
                return main(*args, **kwargs)
            except DPFError as error:
                return _end(name, str(error), REFUSED)
            except ModuleNotFoundError as error:
                extra = "peft" if error.name in ("peft", "accelerate") else "pipeline"
                missing = (
                    f"every package of the extra `{extra}` must be installed, got none named "
                    f"{error.name}. Run: pip install 'dynamic-prompt-fusion[{extra}]'."
                )
                return _end(name, missing, REFUSED)
            except KeyboardInterrupt:
                again = "interrupted; nothing is half written, so run it again."
                return _end(name, again, INTERRUPTED)
            except BrokenPipeError:  # who reads the output, such as `head`, has had enough
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return REFUSED
            except OSError as error:
                cure = "Correct the path or its permissions, or free disk space."
                return _end(name, f"files must be readable and writable, got {error}. {cure}", 1)

        return wrapped

    return decorate


def _end(name: str, sentence: str, exit_code: int) -> int:
    print(f"{name}: {sentence}", file=sys.stderr)
    return exit_code
