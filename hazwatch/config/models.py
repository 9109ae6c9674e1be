"""Model files of a configuration: `[[model]]` names a file that `hazwatch train` wrote, and the revision carries it."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from schemas.models import Model, faults
from schemas.problems import Problem
from schemas.registry import Struct

AGAIN = "train it again with `hazwatch train`"


class ModelFile(Struct, frozen=True, kw_only=True):
    """`[[model]]`: a model's file, relative to the configuration file."""

    file: str


def read_models(listed: Sequence[ModelFile], folder: Path) -> tuple[list[Model], list[Problem]]:
    """The models that could be read, and what is wrong with the others."""
    found: list[Model] = []
    problems: list[Problem] = []
    for index, one in enumerate(listed, 1):
        path = f"[[model]][{index}].file"
        try:
            model = read_model(folder / one.file)
        except ValueError as error:
            problems.append(Problem.of(path, f"{one.file!r}: {error}", AGAIN))
            continue
        except OSError as error:
            cure = "paths are relative to the configuration file; `hazwatch train` writes it"
            problems.append(Problem.of(path, f"{one.file!r} cannot be read ({error.strerror})", cure))
            continue
        problems += (Problem.of(path, f"{one.file!r}: {field}: {told}", cure) for field, told, cure in faults(model))
        found.append(model)
    for name, times in Counter(model.name for model in found).items():
        if times > 1:
            problems.append(Problem.of("[[model]]", f"{times} models are called {name!r}", "train with another --name"))
    return found, problems


def read_model(file: Path) -> Model:
    """The model in this file. Raises OSError, and ValueError for a file that is not a model."""
    try:
        return msgspec.convert(tomllib.loads(file.read_text("utf-8")), Model)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"it is not a model ({error})") from None
    except RecursionError:
        raise ValueError("it is not a model (brackets within brackets without end)") from None
