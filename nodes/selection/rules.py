"""Choose structures by a rule of one's own, or by number."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.utils import string2index

import zn_pipeline as zn
from nodes.selection.base import Selection


@dataclass(frozen=True)
class Predicate:
    """A function of one structure that says yes or no, by its import path.

    Parameters
    ----------
    target : ``"module:name"``, e.g. ``"my_rules:is_calm"``; when its code changes, what depends on
        it runs again
    arguments : keyword arguments for it, plain values
    """

    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, frame: Atoms) -> bool:
        """Return the answer of the function."""
        module, _, name = self.target.partition(":")
        if not module or not name:
            raise ValueError(f'target must be "module:name", received {self.target!r}')
        try:
            function = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ValueError(
                f"target must name an importable function, received {self.target!r} ({error}); "
                "correct the path"
            ) from error
        return function(frame, **self.arguments)


class SelectByFunction(Selection):
    """Choose the structures for which a function returns True; they keep their order.

    Parameters
    ----------
    candidates : structures to choose from; they are not modified
    predicate : the spec Predicate, or a frozen dataclass of your own that can be called

    Attributes
    ----------
    rows : shape (n_chosen,), ascending rows of `candidates`; may be empty
    frames, excluded_frames : chosen and other structures

    Raises
    ------
    ValueError
        If the function cannot be found or returns anything but True or False.
    """

    predicate: Callable[[Atoms], bool] = zn.deps()

    def run(self) -> None:
        answers = []
        for row, frame in enumerate(self.candidates):
            answer = self.predicate(frame)
            if not isinstance(answer, (bool, np.bool_)):
                raise ValueError(
                    f"predicate must return True or False, received {answer!r} for structure {row}"
                )
            answers.append(answer)
        self.rows = np.flatnonzero(np.array(answers, dtype=bool))


class SelectByIndex(Selection):
    """Choose structures by number, in the order given; a number may occur more than once.

    Parameters
    ----------
    candidates : structures to choose from; they are not modified
    index : numbers, or a slice as text, e.g. ``"100::10"``; negative numbers count from the end

    Attributes
    ----------
    rows : shape (n_chosen,), rows of `candidates`, none of them negative
    frames, excluded_frames : chosen structures in the order of `rows`; other structures in order

    Raises
    ------
    ValueError
        If a number is out of range, or the text is no slice.
    """

    index: list[int] | str = zn.params()

    def run(self) -> None:
        n_candidates = len(self.candidates)
        if isinstance(self.index, str):
            found = string2index(self.index)
            if not isinstance(found, slice):
                raise ValueError(
                    f'index must be a list of numbers or a slice such as "::10", received '
                    f"{self.index!r}"
                )
            self.rows = np.arange(n_candidates)[found]
            return
        rows = np.array(self.index, dtype=np.int64).reshape(-1)
        outside = rows[(rows < -n_candidates) | (rows >= n_candidates)]
        if len(outside):
            raise ValueError(
                f"index must be in [{-n_candidates}, {n_candidates - 1}] for {n_candidates} "
                f"candidates, received {outside.tolist()}"
            )
        self.rows = rows % n_candidates if n_candidates else rows
