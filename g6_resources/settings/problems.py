"""What is wrong with a configuration, as one message: where, the value, what is allowed, what to do."""

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined

from g6_resources.settings.models import ConfigFile


class SettingsError(ValueError):
    """The configuration cannot be used; nothing was started."""


def settings_error(file: Path, problems: Sequence[str]) -> SettingsError:
    """Return one error that lists every problem of a configuration file."""
    count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
    listed = "".join(f"\n  - {problem}" for problem in problems)
    return SettingsError(f"{file} has {count}; nothing was started:{listed}")


def describe(error: ValidationError, origins: Mapping[str, str]) -> list[str]:
    """Return a sentence for each bad key.

    Parameters
    ----------
    origins
        Where a key stood in a file of an older shape, by its present path.
    """
    return [
        _describe_one(problem, origins)
        for problem in error.errors(include_url=False)
        # The default of one key follows from another that is already reported.
        if problem["type"] != "default_factory_not_called"
    ]


def _describe_one(problem: ErrorDetails, origins: Mapping[str, str]) -> str:
    loc = [part for part in problem["loc"] if part != "[key]"]
    path = ".".join(map(str, loc))
    named = f"{path} (in the file: {origins[path]})" if origins.get(path, path) != path else path
    if problem["type"] == "extra_forbidden":
        return f"{named}: no such setting. {_known_beside(loc)}"
    field = _field(loc)
    if problem["type"] == "missing":
        return f"{named}: is missing. Add it; it is: {field.description if field else 'required'}"
    if problem["type"] == "value_error":
        sentence = str(problem.get("ctx", {}).get("error", problem["msg"]))
        value = "" if not path or isinstance(problem["input"], dict | BaseModel) else f"{_shown(problem['input'])} "
        return f"{named}: {value}{sentence}" if named else sentence
    allowed = f". Allowed: {field.description}" if field and field.description else ""
    why = problem["msg"][:1].lower() + problem["msg"][1:]
    return f"{named}: {_shown(problem['input'])} is not allowed ({why}){allowed}. {_remedy(field)}"


def _remedy(field: FieldInfo | None) -> str:
    if field is None or field.default is PydanticUndefined or isinstance(field.default, BaseModel):
        return "Correct it"
    default: Any = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"Correct it, or remove it for the default {_shown(default)}"


def _known_beside(loc: Sequence[str | int]) -> str:
    model = _model(loc[:-1])
    known = [field.alias or name for name, field in model.model_fields.items()] if model else []
    close = difflib.get_close_matches(str(loc[-1]), known, n=1)
    meant = f"Did you mean {close[0]}? " if close else ""
    return f"{meant}Allowed here: {', '.join(known)}. Correct or remove it"


def _field(loc: Sequence[str | int]) -> FieldInfo | None:
    model = _model(loc[:-1]) if loc else None
    # An element of a list is described by the list.
    return model.model_fields.get(str(loc[-1])) if model else (_field(loc[:-1]) if len(loc) > 1 else None)


def _model(loc: Sequence[str | int]) -> type[BaseModel] | None:
    """Return the model at a path: of the file, of a part, or of the values of a map of parts."""
    model: type[BaseModel] | None = ConfigFile
    rest = list(loc)
    while rest and model:
        field = model.model_fields.get(str(rest.pop(0)))
        inner: Any = field.annotation if field else None
        if rest and get_args(inner):
            # The values of a map, or the items of a tuple of any length.
            inner = get_args(inner)[0] if get_args(inner)[-1] is Ellipsis else get_args(inner)[-1]
            rest.pop(0)
        model = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
    return model


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
