"""What every HTML page is made with: templates that escape, and pictures inside the file."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2


def page_environment(
    *folders: Path, filters: Mapping[str, Callable[..., Any]]
) -> jinja2.Environment:
    """Return the templates of folders; texts are escaped, and a missing value is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment


def picture(path: Path, alt: str, caption: str) -> dict[str, str]:
    """Return a PNG file as a data URI with its words."""
    data = base64.b64encode(path.read_bytes()).decode()
    return {"uri": f"data:image/png;base64,{data}", "alt": alt, "caption": caption}
