"""The promises of a map hold wherever it computes: here, in processes, on Dask, as batch jobs."""

import ase.io
import numpy as np
import pytest

import zn_pipeline as zn
from zn_pipeline.items.detached import DetachedBackend
from zn_pipeline.items.store import ItemStore
from zn_pipeline.items.upkeep import verify
from zn_pipeline.queues.pools import Pool

pytestmark = pytest.mark.slow

PLACES = ["serial", "processes", "dask", "dask pool", "detached"]


@pytest.fixture
def place(request: pytest.FixtureRequest, here: Pool):
    """Return what is given as `where`."""
    if request.param == "dask":
        return request.getfixturevalue("client")
    if request.param == "dask pool":
        from zn_pipeline.items.dask import DaskBackend

        return DaskBackend(Pool(name="cluster", kind="local", mode="dask", workers=2))
    if request.param == "detached":
        return DetachedBackend(here.model_copy(update={"items_per_job": 500}))
    return {"serial": None, "processes": 2}[request.param]


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_nothing_is_computed_twice(instrumented, ledger, structures, store, place, tmp_path):
    """2,000 done and one new: one evaluation. Permuted, duplicated, from a file: none."""
    *given, new = structures(2001)
    springs = instrumented.Springs()
    first = zn.map(springs, given, store=store, where=place)
    assert ledger.new() == 2000
    energies = [atoms.get_potential_energy() for atoms in first]
    assert energies == pytest.approx([0.5 * (atoms.positions**2).sum() for atoms in given])

    assert len(zn.map(springs, [*given[:1000], new, *given[1000:]], store=store, where=place))
    assert ledger.new() == 1

    order = np.random.default_rng(0).permutation(2000)
    shuffled = zn.map(springs, [given[place] for place in order], store=store, where=place)
    ase.io.write(tmp_path / "all.extxyz", given)
    ase.io.write(tmp_path / "labelled.extxyz", list(first))
    from_file = zn.map(springs, tmp_path / "all.extxyz", store=store, where=place)
    zn.map(springs, tmp_path / "labelled.extxyz", store=store, where=place)
    twice = zn.map(springs, [*given, *given[::-1]], store=store, where=place)
    assert ledger.new() == 0
    assert [atoms.get_potential_energy() for atoms in shuffled] == [energies[at] for at in order]
    assert [atoms.get_potential_energy() for atoms in from_file] == energies
    assert [atoms.get_potential_energy() for atoms in twice] == energies + energies[::-1]
    assert verify(store).clean


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_duplicates_are_evaluated_once(instrumented, ledger, structures, store, place):
    results = zn.map(instrumented.Springs(), structures(10) * 20, store=store, where=place)
    assert ledger.new() == 10
    assert len(results) == 200


def test_results_do_not_depend_on_the_place(
    instrumented, structures, tmp_path, client, here, ledger
):
    """Nor on the order, the size of chunks, or on other structures beside them."""
    given = structures(12)
    places = {"serial": None, "processes": 2, "dask": client, "detached": DetachedBackend(here)}
    found = {}
    for name, place in places.items():
        own = ItemStore(tmp_path / f"store of {name}")
        zn.map(instrumented.noisy, given[4::-1], store=own, where=place, seed=7, batch=2)
        results = zn.map(instrumented.noisy, given, store=own, where=place, seed=7)
        found[name] = [atoms.positions for atoms in results]
    assert ledger.new() == 4 * 12
    for name in places:
        np.testing.assert_array_equal(found[name], found["serial"])


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_lambdas_and_local_functions(structures, store, place):
    factor = 3.0

    def grown(atoms):
        atoms.set_cell(atoms.cell * factor)
        return atoms

    results = zn.map(grown, structures(5), store=store, where=place)
    assert [atoms.cell[0, 0] for atoms in results] == [27.0] * 5
    lengths = zn.map(lambda atoms: len(atoms) * factor, structures(5), store=store, where=place)
    assert lengths == [6.0] * 5


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_failures_come_back(structures, store, place):
    """19 results are stored, one failure is told; only it is tried again after the cure."""
    calls = store.folder.parent / "calls"

    def picky(atoms):
        with calls.open("a") as file:
            file.write("call\n")
        if atoms.info["name"] == "nap15" and not calls.with_name("cured").exists():
            raise ArithmeticError("fifteen is too much")
        return atoms

    options = {"store": store, "where": place, "on_error": "record"}
    results = zn.map(picky, structures(20), **options)
    assert len(results) == 19
    [failure] = results.failures
    assert (failure.row, failure.kind, failure.type) == (15, "calculation", "ArithmeticError")
    assert (failure.message, failure.attempts) == ("fifteen is too much", 1)
    assert "in picky" in failure.traceback
    assert failure.host
    calls.with_name("cured").touch()
    calls.unlink()
    assert len(zn.map(picky, structures(20), retry="failed", **options)) == 20
    assert calls.read_text() == "call\n"
