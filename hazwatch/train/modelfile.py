"""The file of a model, as TOML: what people may want to know first, numbers behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from schemas.models import Model, ModelInput

HEAD = (
    "# Written by `hazwatch train`. Do not edit the numbers: train again. The times of the healthy period and the",
    "# range of each input tell what the model knows; outside of a range it only knows that it was never there.",
)


def toml(model: Model) -> str:
    """The model as TOML; reading it gives an equal one."""
    return "\n".join(_lines(model)) + "\n"


def _lines(model: Model) -> Iterator[str]:
    yield from HEAD
    for field in ("name", "title", "form", "trained_from", "trained_to", "samples", "alarms_per_month",
                  "held_out_share", "step_s", "lags", "harmonics", "weight", "main", "rest", "ridge"):  # fmt: skip
        value = getattr(model, field)
        if value != "":
            yield f"{field} = {_value(value)}"
    yield f"limits = {_numbers(model.limits)}"
    yield f"variances = {_numbers(model.variances)}"
    yield "loadings = ["
    yield from (f"  {_numbers(row)}," for row in model.loadings)
    yield "]"
    for one in model.inputs:
        yield "\n[[inputs]]"
        yield from (f"{field} = {_value(getattr(one, field))}" for field in ModelInput.__struct_fields__)


def _value(value: str | int | float) -> str:
    return msgspec.json.encode(value).decode()


def _numbers(numbers: Iterable[float]) -> str:
    return f"[{', '.join(_value(float(number)) for number in numbers)}]"
