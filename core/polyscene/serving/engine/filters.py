"""Filters: conditions on columns of items, as masks over the catalogue that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from numbers import Real
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from polyscene.data.columns import Category, Column, Number, Tags, Text, Timestamp
from polyscene.errors import ServingError, did_you_mean
from polyscene.features.values import numbers, split_tags, unique_labels, unique_lists
from polyscene.serving.engine.answers import ColumnInfo

_KEPT = 256  # masks of a scenario; 0.1 MB each at 100,000 items
_EXAMPLES = 5
_BOUNDS = ("min", "max")

Condition = tuple[str, ...] | tuple[float, float]


class Filters:
    """Masks bool ``[N]`` of the items that conditions leave, see :class:`Request`.

    Every column of items can be named but ids and texts. Missing values meet no condition.

    Args:
        items: the table.
        declared: what the scenario says about its columns; others are numbers or labels by their type.
        device: where masks are.
    """

    def __init__(self, items: pd.DataFrame, declared: tuple[Column, ...], device: torch.device) -> None:
        self._items, self._device = items, device
        self._declared = {column.name: column for column in declared if not isinstance(column, Text)}
        texts = {column.name for column in declared if isinstance(column, Text)}
        self.names = [name for name in map(str, items.columns) if name != "item_id" and name not in texts]
        self._read: dict[str, _Labels | _Numbers] = {}
        self._mask = lru_cache(_KEPT)(self._meets)

    def mask(self, filters: Mapping[str, Any]) -> Tensor | None:
        """The items that meet all conditions; None where there is no condition. Not to be changed in place.

        Raises:
            ServingError: no such column, or a condition that its kind does not have.
        """
        masks = [self._mask(name, self._column(name).condition(name, value)) for name, value in filters.items()]
        if len(masks) > 1:
            return torch.stack(masks).all(dim=0)
        return masks[0] if masks else None

    def info(self) -> tuple[ColumnInfo, ...]:
        """What may be named."""
        return tuple(
            ColumnInfo(name, self._column(name).kind, self._column(name).examples())  # type: ignore[arg-type]
            for name in self.names
        )

    def _meets(self, name: str, condition: Condition) -> Tensor:
        return torch.from_numpy(self._column(name).meets(condition)).to(self._device)

    def _column(self, name: str) -> _Labels | _Numbers:
        if name not in self.names:
            raise ServingError(
                f"there is no column '{name}' to filter by", where="filters", fix=did_you_mean(name, self.names)
            )
        if name not in self._read:
            values, column = pd.Series(self._items[name]), self._declared.get(name)
            if isinstance(column, Number | Timestamp) or (
                column is None and pd.api.types.is_numeric_dtype(values.dtype)
            ):
                kind = "time" if isinstance(column, Timestamp) else "number"
                self._read[name] = _Numbers(numbers(values, f"items.{name}"), kind)
            else:
                self._read[name] = _labels(values, column)
        return self._read[name]


class _Read(Protocol):
    kind: str

    def condition(self, name: str, value: Any) -> Condition: ...

    def meets(self, condition: Any) -> np.ndarray: ...

    def examples(self) -> tuple[str | float, ...]: ...


class _Labels(_Read):
    """Labels of items, each in none, one or several rows: ``item_M`` of label l from ``start_L[l]`` on."""

    def __init__(self, kind: str, cells: tuple[np.ndarray, np.ndarray], labels: list[str], n_items: int) -> None:
        item_M, label_M = cells
        order = np.argsort(label_M, kind="stable")
        self.kind, self.n_items, self.item_M = kind, n_items, item_M[order]
        self.start_L = np.searchsorted(label_M[order], np.arange(len(labels) + 1))
        # Not in a dictionary: titles have as many labels as items, and what is looked for is remembered.
        self.labels = pa.array(labels, pa.large_string())

    def condition(self, name: str, value: Any) -> Condition:
        wanted = value if isinstance(value, list | tuple | set | frozenset) else [value]
        if isinstance(value, Mapping) or any(not isinstance(one, str | Real) for one in wanted):
            raise ServingError(
                f"column '{name}' holds labels, and cannot be {value!r:.60}",
                where="filters",
                fix='give a label, or a list of labels one of which it must be: ["drama", "comedy"]',
            )
        return tuple(sorted({_label(one) for one in wanted}))

    def meets(self, condition: Any) -> np.ndarray:
        mask_N = np.zeros(self.n_items, dtype=bool)
        wanted = pc.SetLookupOptions(value_set=pa.array(condition, pa.large_string()))
        for place in np.flatnonzero(pc.call_function("is_in", [self.labels], wanted)):
            mask_N[self.item_M[self.start_L[place] : self.start_L[place + 1]]] = True
        return mask_N

    def examples(self) -> tuple[str | float, ...]:
        commonest = np.argsort(-np.diff(self.start_L), kind="stable")[:_EXAMPLES]
        return tuple(self.labels.take(commonest).to_pylist())


class _Numbers(_Read):
    """A number of each item; NaN where it is missing."""

    def __init__(self, value_N: np.ndarray, kind: str) -> None:
        self.kind, self.value_N = kind, value_N

    def condition(self, name: str, value: Any) -> Condition:
        bounds = value if isinstance(value, Mapping) else {"min": value, "max": value}
        wrong = [one for one in bounds.values() if not isinstance(one, Real) or isinstance(one, bool)]
        if not bounds or wrong or set(bounds) - set(_BOUNDS):
            raise ServingError(
                f"column '{name}' holds numbers, and cannot be {value!r:.60}",
                where="filters",
                fix='give a number, or bounds: {"min": 5, "max": 20}, either of which may be left out',
            )
        return float(bounds.get("min", -np.inf)), float(bounds.get("max", np.inf))

    def meets(self, condition: Any) -> np.ndarray:
        least, most = condition
        return (self.value_N >= least) & (self.value_N <= most)

    def examples(self) -> tuple[str | float, ...]:
        known = self.value_N[np.isfinite(self.value_N)]
        return (float(known.min()), float(known.max())) if len(known) else ()


def _labels(values: pd.Series, column: Column | None) -> _Labels:
    first = next(iter(values.dropna()), "")
    several = not isinstance(first, str) and isinstance(first, list | tuple | np.ndarray)
    if isinstance(column, Tags) or (several and not isinstance(column, Category)):
        separator = column.separator if isinstance(column, Tags) else "|"
        code_N, lists = unique_lists(values, split_tags(separator))
        labels = sorted({label for own in lists for label in own})
        position = {label: place for place, label in enumerate(labels)}
        places = [np.array(sorted({position[label] for label in own}), dtype=np.int64) for own in lists]
        count_N = np.array([len(own) for own in places], dtype=np.int64)[code_N]
        label_M = np.concatenate([np.zeros(0, dtype=np.int64), *(places[code] for code in code_N)])
        return _Labels("tags", (np.repeat(np.arange(len(values)), count_N), label_M), labels, len(values))
    code_N, labels = unique_labels(values)
    item_M = np.flatnonzero(code_N >= 0)
    return _Labels("category", (item_M, code_N[item_M]), labels, len(values))


def _label(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)
