"""Relaxation: the host's side of relaxing many structures.

It fills a batch, starts blocks, takes out what has ended and puts waiting structures there. When
none is waiting, and most of the batch is empty, it goes on with a smaller one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nodes.numerics.neighbors.device import ListSpec
from nodes.numerics.potentials.model import EnergyModel, Params
from nodes.numerics.relax.batch import (
    RelaxStart,
    common_spec,
    first_state,
    groups_of,
    problem_of,
    put_rows,
    take_rows,
    with_lists,
)
from nodes.numerics.relax.block import place, run_block
from nodes.numerics.relax.result import Relaxed, read_results, result_of, write_results
from nodes.numerics.relax.settings import RelaxSettings
from nodes.numerics.relax.state import Problem, Program, RelaxState, Status, Targets
from nodes.numerics.relax.strain import CELL_MODES, Freedom
from nodes.numerics.selftest import check_backend
from nodes.numerics.storage import (
    array_digest,
    flatten,
    read_arrays,
    unflatten,
    write_arrays,
)
from nodes.numerics.structures import Structure
from nodes.numerics.units import GPA

__all__ = ["Relaxation", "relax_many"]

_STATE = "relaxation.npz"
_SHRINK = 4


@dataclass(frozen=True, eq=False)
class _Batch:
    """Structures side by side.

    Attributes
    ----------
    group : int
        Which group of rows they come from.
    rows : list of int
        The row in each slot, -1 where it is empty.
    waiting : list of int
        Rows of the group that have not begun.
    """

    group: int
    rows: list[int]
    waiting: list[int]
    program: Program
    problem: Problem
    state: RelaxState


class Relaxation:
    """Relaxation of many structures, as an iterator over what has ended in each block.

    Parameters
    ----------
    model, params
        The potential.
    starts : sequence of RelaxStart or Structure
        They may differ in size, cell, elements and periodic directions.
    settings : RelaxSettings
    directory : Path, optional
        Where `save` writes. A relaxation that finds its own state there goes on from it and takes
        the same steps as one that was never interrupted.

    Attributes
    ----------
    results : dict of Relaxed
        By row, of structures that have ended so far.

    Raises
    ------
    ValueError
        If there is no structure, one does not fit to the model or the settings, or the directory
        holds another relaxation.

    Examples
    --------
    >>> relaxation = Relaxation(model, params, structures, RelaxSettings(), directory=folder)
    >>> for ended in relaxation:
    ...     relaxation.save()
    >>> relaxation.results[0].energy
    """

    def __init__(
        self,
        model: EnergyModel,
        params: Params,
        starts: Sequence[RelaxStart | Structure],
        settings: RelaxSettings,
        *,
        directory: Path | None = None,
    ) -> None:
        check_backend()
        if not starts:
            raise ValueError("starts must hold at least one structure, received none")
        self.model, self.params, self.settings = model, params, settings
        self.starts = [s if isinstance(s, RelaxStart) else RelaxStart(s) for s in starts]
        self.directory = directory
        self.results: dict[int, Relaxed] = {}
        self._groups = groups_of(self.starts)
        self._unsaved: dict[int, Relaxed] = {}
        self._n_files = 0
        self._check()
        self._fingerprint = _fingerprint(model, params, self.starts, settings)
        constants = {k: v for k, v in params["constants"].items() if k != "reference"}
        with model.scope():
            self._placed = jax.device_put({**params, "constants": constants})
        self._batch: _Batch | None = None
        if directory is None or not self._restore(directory):
            self._batch = self._fill(0)

    @property
    def finished(self) -> bool:
        """Whether all structures have ended."""
        return len(self.results) == len(self.starts)

    @property
    def n_steps(self) -> int:
        """Steps of all structures so far."""
        steps = sum(result.steps for result in self.results.values())
        if self._batch is not None:
            here = np.asarray(self._batch.state.steps)
            steps += int(here[np.array(self._batch.rows) >= 0].sum())
        return steps

    def __iter__(self) -> Iterator[dict[int, Relaxed]]:
        while self._batch is not None:
            with self.model.scope():
                self._batch, needed = self._advance(self._batch)
                ended = self._collect(self._batch)
                self.results |= ended
                self._unsaved |= ended
                self._batch = self._refill(self._batch)
                if self._batch is not None and needed > self._batch.program.spec.capacity:
                    self._batch = self._grow(self._batch, needed)
                if self._batch is None and not self.finished:
                    self._batch = self._fill(self._next_group())
            yield ended

    def save(self) -> None:
        """Write what is needed to go on, and the results so far."""
        if self.directory is None:
            return
        if self._unsaved:
            write_results(self.directory / f"results-{self._n_files:06d}.npz", self._unsaved)
            self._n_files, self._unsaved = self._n_files + 1, {}
        record: dict[str, Any] = {"fingerprint": self._fingerprint, "n_files": self._n_files}
        arrays: dict[str, np.ndarray] = {}
        if self._batch is not None:
            record |= {
                "group": self._batch.group,
                "rows": self._batch.rows,
                "waiting": self._batch.waiting,
                "spec": self._batch.program.spec.to_record(),
            }
            arrays = {f"state{k}": v for k, v in flatten(self._batch.state).items()}
        write_arrays(self.directory / _STATE, arrays | {"record": np.array(json.dumps(record))})

    def _check(self) -> None:
        """Refuse structures that cannot be relaxed before any is."""
        known = set(self.model.config.elements)
        for row, start in enumerate(self.starts):
            structure = start.structure
            missing = sorted(set(structure.numbers.tolist()) - known)
            if missing:
                raise ValueError(
                    f"structures must hold only the elements {sorted(known)} of the model, "
                    f"received {missing} in row {row}"
                )
            if self.settings.changes_cell and not structure.pbc.all():
                raise ValueError(
                    f"structures must be periodic along all axes to relax their cells, received "
                    f'{structure.pbc.tolist()} in row {row}; set relax_cell="none"'
                )

    def _next_group(self) -> int:
        return next(k for k, rows in enumerate(self._groups) if rows[0] not in self.results)

    def _fill(self, group: int) -> _Batch:
        """The first batch of a group."""
        waiting = self._groups[group]
        width = min(self.settings.batch_size, len(waiting))
        cutoff = self.model.config.cutoff_angstrom
        with self.model.scope():
            structures = [self.starts[row].structure for row in waiting]
            spec = common_spec(structures, cutoff, self.settings)
            program = self._program(spec)
            rows = waiting[:width]
            problem = self._problem(group, rows)
            state = first_state(program, problem)
        return _Batch(group, rows, waiting[width:], program, problem, state)

    def _program(self, spec: ListSpec) -> Program:
        return Program(self.model, spec, self.settings.method, self.settings.changes_cell)

    def _problem(self, group: int, rows: Sequence[int]) -> Problem:
        """Arrays of structures; an empty slot holds any of them."""
        n_atoms = max(len(self.starts[row].structure) for row in self._groups[group])
        starts = [self.starts[row if row >= 0 else self._groups[group][0]] for row in rows]
        return problem_of(self.model, self._placed, starts, n_atoms)

    def _advance(self, batch: _Batch) -> tuple[_Batch, int]:
        """Run one block; also the slots that a list needs which did not fit."""
        block = run_block(batch.program, self._targets(), batch.problem, batch.state)
        return replace(batch, state=block.state), int(block.needed)

    def _targets(self) -> Targets:
        settings, dtype = self.settings, jnp.result_type(float)
        whole, mean = CELL_MODES[settings.relax_cell]
        return Targets(
            force=jnp.asarray(settings.fmax_ev_per_angstrom, dtype),
            stress=jnp.asarray(settings.smax_gpa * GPA, dtype),
            pressure=jnp.asarray(settings.pressure_gpa * GPA, dtype),
            freedom=Freedom(*(jnp.asarray(x, dtype) for x in (settings.strain_mask, whole, mean))),
            max_steps=jnp.asarray(settings.max_steps, jnp.int32),
            block_steps=jnp.asarray(settings.steps_per_block, jnp.int32),
        )

    def _collect(self, batch: _Batch) -> dict[int, Relaxed]:
        """Results of the slots that have ended."""
        status, steps = jax.device_get((batch.state.status, batch.state.steps))
        slots = [k for k, s in enumerate(status) if Status.MOVING < s < Status.EMPTY]
        if not slots:
            return {}
        reached = jax.device_get(batch.state.reached)
        return {
            batch.rows[k]: result_of(
                self.model,
                self.params,
                self.starts[batch.rows[k]],
                Status(int(status[k])),
                int(steps[k]),
                jax.tree.map(lambda leaf, k=k: leaf[k], reached),
                float(batch.problem.cell_scale[k]),
            )
            for k in slots
        }

    def _refill(self, batch: _Batch) -> _Batch | None:
        """Put waiting structures where others have ended; None if nothing is left."""
        status = np.asarray(batch.state.status)
        ended = [k for k, s in enumerate(status) if Status.MOVING < s < Status.EMPTY]
        if not ended:
            return batch
        rows, waiting = list(batch.rows), list(batch.waiting)
        for slot in ended:
            rows[slot] = waiting.pop(0) if waiting else -1
        if all(row < 0 for row in rows):
            return None
        begun = [slot for slot in ended if rows[slot] >= 0]
        empty = [slot for slot in ended if rows[slot] < 0]
        state = jax.device_get(batch.state)
        status = np.array(state.status)
        status[empty] = Status.EMPTY
        state = state._replace(status=status)
        problem = self._problem(batch.group, rows)
        if begun:
            fresh = first_state(batch.program, problem)
            state = put_rows(state, begun, take_rows(fresh, begun))
        batch = replace(batch, rows=rows, waiting=waiting, problem=problem, state=state)
        return self._shrunk(batch)

    def _shrunk(self, batch: _Batch) -> _Batch:
        """A smaller batch, if most of it is empty; each width is compiled once."""
        slots = [k for k, row in enumerate(batch.rows) if row >= 0]
        width = len(batch.rows) // _SHRINK
        if not 0 < len(slots) <= width:
            return batch
        slots += [k for k, row in enumerate(batch.rows) if row < 0][: width - len(slots)]
        rows = [batch.rows[k] for k in slots]
        problem = self._problem(batch.group, rows)
        return replace(batch, rows=rows, problem=problem, state=take_rows(batch.state, slots))

    def _grow(self, batch: _Batch, needed: int) -> _Batch:
        """Lists with more room, for the structures as they are now and those that wait."""
        there = place(
            batch.problem, jnp.asarray(batch.state.coordinates),
            changes_cell=self.settings.changes_cell,
        )  # fmt: skip
        positions, cells = np.asarray(there.positions), np.asarray(there.cell)
        structures = [self.starts[row].structure for row in batch.waiting]
        for slot, row in enumerate(batch.rows):
            if row >= 0:
                start = self.starts[row].structure
                cell = cells[slot] if self.settings.changes_cell else start.cell
                now = replace(start, positions=positions[slot, : len(start)], cell=cell)
                structures.append(now)
        old = batch.program.spec
        cutoff = self.model.config.cutoff_angstrom
        spec = common_spec(structures, cutoff, self.settings, more_than=max(needed, old.capacity))
        state = with_lists(jax.device_get(batch.state), batch.problem, spec)
        return replace(batch, program=self._program(spec), state=state)

    def _restore(self, directory: Path) -> bool:
        """Go on from the state on disk, if there is one."""
        path = directory / _STATE
        if not path.is_file():
            return False
        arrays = read_arrays(path)
        record = json.loads(str(arrays.pop("record")))
        if record["fingerprint"] != self._fingerprint:
            raise ValueError(
                f"directory must hold a relaxation of these structures, received one of other "
                f"structures, model or settings in {path}; remove it or name another directory"
            )
        self._n_files = record["n_files"]
        files = [directory / f"results-{k:06d}.npz" for k in range(self._n_files)]
        self.results = read_results(files)
        if "spec" not in record:
            return True
        rows, group = record["rows"], record["group"]
        with self.model.scope():
            program = self._program(ListSpec.from_record(record["spec"]))
            problem = self._problem(group, rows)
            named = {name.removeprefix("state"): array for name, array in arrays.items()}
            state = unflatten(first_state(program, problem), named)
        self._batch = _Batch(group, rows, record["waiting"], program, problem, state)
        return True


def relax_many(
    model: EnergyModel,
    params: Params,
    starts: Sequence[RelaxStart | Structure],
    settings: RelaxSettings,
    *,
    directory: Path | None = None,
    on_block: Callable[[int], None] | None = None,
) -> list[Relaxed]:
    """Relax structures side by side; results are in their order.

    Parameters
    ----------
    model, params, starts, settings
        See `Relaxation`.
    directory : Path, optional
        Written after each block; a call that finds its own state there goes on from it.
    on_block : callable, optional
        Called after each block with the number of structures that have ended.
    """
    relaxation = Relaxation(model, params, starts, settings, directory=directory)
    for _ in relaxation:
        relaxation.save()
        if on_block is not None:
            on_block(len(relaxation.results))
    return [relaxation.results[row] for row in range(len(starts))]


def _fingerprint(
    model: EnergyModel, params: Params, starts: Sequence[RelaxStart], settings: RelaxSettings
) -> str:
    """Digest of all that determines the outcome."""
    digest = hashlib.sha256(f"{model} {settings}".encode())
    digest.update(array_digest(flatten(params)).encode())
    for start in starts:
        structure = start.structure
        arrays = {
            "numbers": structure.numbers,
            "positions": structure.positions,
            "cell": structure.cell,
            "pbc": structure.pbc,
            "mobile": np.asarray(start.mobile),
        }
        digest.update(array_digest(arrays).encode())
    return digest.hexdigest()
