"""Write the table of docs/configuration.md from the settings' models: `python -m tools.settings_table`.

Only what stands between the two markers is generated; the text around it is written by hand.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from g6_resources.settings import ConfigFile, IndexSettings

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"

# Defaults that the models compute.
_COMPUTED = {"collection.full_chain_every_seconds": "180", "indices.<INDEX>.expiries": "every label the index has"}


def settings_table() -> str:
    """Return the table of every setting: path, default, meaning with what is allowed."""
    rows = [f"| `{path}` | {default} | {meaning} |" for path, default, meaning in _rows(ConfigFile, "")]
    return "\n".join(["| setting | default | meaning, and what is allowed |", "|---|---|---|", *rows])


def filled(document: str) -> str:
    """Return the document with the table in its place; it must hold both markers."""
    before, rest = document.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{settings_table()}\n{END}{after}"


def _rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        inner = _part(field)
        if path == "indices":
            yield from _rows(IndexSettings, "indices.<INDEX>.")
        elif inner is not None:
            yield from _rows(inner, f"{path}.")
        else:
            yield path, _default(path, field), (field.description or "").replace("|", "\\|")


def _part(field: FieldInfo) -> type[BaseModel] | None:
    annotation: Any = field.annotation
    candidates = (annotation, *get_args(annotation))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _default(path: str, field: FieldInfo) -> str:
    if path in _COMPUTED:
        return _COMPUTED[path]
    if field.default is PydanticUndefined:
        return "required"
    return f"`{json.dumps(field.default, default=str)}`"


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
