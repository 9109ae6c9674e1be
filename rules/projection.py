"""Distances of a unit's state from its healthy state, by principal components.

With z the scaled state (mean 0), p_i the components, t_i = p_i.z, v_i their variances, of which the first k span the
model's plane and r are kept at all:

- T2 = sum_{i<=k} t_i^2 / v_i: unusual within what the healthy unit does (Hotelling 1947; MacGregor and Kourti 1995);
- SPE or Q = |z|^2 - sum_{i<=k} t_i^2: the inputs no longer go together (Jackson and Mudholkar 1979);
- D = sum_{k<i<=r} t_i^2 / (v_i + g) + (|z|^2 - sum_{i<=r} t_i^2) / (rest + g): the same, each direction against its own
  variance (Hawkins 1974), where the ridge g keeps directions in which the healthy unit hardly moved from speaking
  of rounding.

All three are quadratic forms z'Mz. What an input has to do with one is told by its reconstruction: by how much the form
falls if only this column were set right, (Mz)_j^2 / M_jj (Alcala and Qin 2009).

The kernels work on a condition's parameters (`rules.unitcharts.PARAMS`); `statistics` and `diagonals` are the same
in numpy, over whole recordings.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rules.compiling import kernel
from schemas.models import MOST_COLUMNS, MOST_COMPONENTS, Model

Floats = npt.NDArray[np.float64]
T2, SPE, DISTANCE = 0, 1, 2
PATIENCE = 8
"""How often missing columns are set to what the plane says of them; each time closes most of what is left."""


def statistics(model: Model, z: Floats) -> Floats:
    """T2, SPE and D of states `z` of shape (n, columns), as (n, 3)."""
    loadings, variances = np.array(model.loadings), np.array(model.variances)
    squares, k = (z @ loadings.T) ** 2, model.main
    length = (z * z).sum(axis=1)
    t2 = (squares[:, :k] / variances[:k]).sum(axis=1)
    spe = np.maximum(length - squares[:, :k].sum(axis=1), 0.0)
    rest = np.maximum(length - squares.sum(axis=1), 0.0)
    distance = (squares[:, k:] / (variances[k:] + model.ridge)).sum(axis=1) + rest / (model.rest + model.ridge)
    return np.stack([t2, spe, distance], axis=1)


def diagonals(model: Model) -> Floats:
    """M_jj of the three forms, as (3, columns)."""
    squares, variances, k = np.array(model.loadings) ** 2, np.array(model.variances), model.main
    t2 = (squares[:k] / variances[:k, None]).sum(axis=0)
    spe = 1 - squares[:k].sum(axis=0)
    outside = (squares[k:] / (variances[k:, None] + model.ridge)).sum(axis=0)
    distance = outside + (1 - squares.sum(axis=0)) / (model.rest + model.ridge)
    found: Floats = np.maximum(np.stack([t2, spe, distance]), 1e-9)
    return found


@kernel
def project(p, z, t):  # type: ignore[no-untyped-def]
    """Write p_i.z of every kept component to `t`."""
    columns = p["columns"]
    for i in range(p["kept"]):
        total = 0.0
        for j in range(columns):
            total += p["loadings"][i * MOST_COLUMNS + j] * z[j]
        t[i] = total


@kernel
def fill(p, z, t, missing):  # type: ignore[no-untyped-def]
    """Set the columns of missing inputs to what the plane says of them (Nelson, Taylor and MacGregor 1996)."""
    inputs = p["inputs"]
    for _ in range(PATIENCE):
        project(p, z, t)
        for j in range(inputs * (p["lags"] + 1)):
            if missing[j % inputs]:
                total = 0.0
                for i in range(p["main"]):
                    total += p["loadings"][i * MOST_COLUMNS + j] * t[i]
                z[j] = total
    project(p, z, t)


@kernel
def distances(p, z, t, into):  # type: ignore[no-untyped-def]
    """T2, SPE and D of the state `z` with its projections `t`, to `into[0]` to `into[2]`."""
    length = 0.0
    for j in range(p["columns"]):
        length += z[j] * z[j]
    t2, held, distance = 0.0, 0.0, 0.0
    for i in range(p["main"]):
        square = t[i] * t[i]
        t2 += square / p["variances"][i]
        held += square
    into[0] = t2
    into[1] = max(length - held, 0.0)
    for i in range(p["main"], p["kept"]):
        square = t[i] * t[i]
        distance += square / (p["variances"][i] + p["ridge"])
        held += square
    into[2] = distance + max(length - held, 0.0) / (p["rest"] + p["ridge"])


@kernel
def pull(p, form, z, t, j):  # type: ignore[no-untyped-def]
    """(Mz)_j of the form 0, 1 or 2: positive where column j is too high for the others."""
    first, last, total = p["main"], p["kept"], 0.0
    if form == T2:
        for i in range(first):
            total += p["loadings"][i * MOST_COLUMNS + j] * t[i] / p["variances"][i]
        return total
    left = z[j]
    for i in range(first):
        left -= p["loadings"][i * MOST_COLUMNS + j] * t[i]
    if form == SPE:
        return left
    for i in range(first, last):
        part = p["loadings"][i * MOST_COLUMNS + j] * t[i]
        left -= part
        total += part / (p["variances"][i] + p["ridge"])
    return total + left / (p["rest"] + p["ridge"])


def padded(model: Model) -> dict[str, Floats]:
    """Loadings, variances and diagonals for arrays of fixed size."""
    loadings = np.zeros((MOST_COMPONENTS, MOST_COLUMNS))
    loadings[: len(model.loadings), : model.columns] = model.loadings
    variances = np.zeros(MOST_COMPONENTS)
    variances[: len(model.variances)] = model.variances
    diagonal = np.ones((3, MOST_COLUMNS))
    diagonal[:, : model.columns] = diagonals(model)
    return {"loadings": loadings.ravel(), "variances": variances, "diagonal": diagonal.ravel()}
