"""`zn.map`: what was computed once is never computed again."""

import functools

import ase.io
import numpy as np
import pytest

import zn_pipeline as zn
from zn_pipeline.items.store import ItemStore

WHERE = [None, 2]


@pytest.mark.parametrize("where", WHERE)
def test_second_call_computes_nothing(counting, evaluations, structures, store, where):
    first = zn.map(counting.Harmonic(), structures, store=store, where=where)
    assert evaluations() == 10
    again = zn.map(counting.Harmonic(), structures, store=store, where=where)
    assert evaluations() == 0
    assert again.report.n_cached == 10
    for one, other, given in zip(first, again, structures, strict=True):
        assert one.get_potential_energy() == other.get_potential_energy()
        assert one.get_potential_energy() == pytest.approx(0.5 * (given.positions**2).sum())
        np.testing.assert_array_equal(one.get_forces(), -given.positions)
        assert one.info == given.info


@pytest.mark.parametrize("where", WHERE)
def test_one_more_structure_is_one_evaluation(counting, evaluations, structures, store, where):
    zn.map(counting.Harmonic(), structures[:9], store=store, where=where)
    evaluations()
    zn.map(counting.Harmonic(), [structures[9], *structures[:9]], store=store, where=where)
    assert evaluations() == 1


def test_order_duplicates_and_files_cost_nothing(
    counting, evaluations, structures, store, tmp_path
):
    zn.map(counting.Harmonic(), structures, store=store)
    evaluations()
    ase.io.write(tmp_path / "all.xyz", structures)
    ase.io.write(tmp_path / "one.xyz", structures[0])
    mixed = [*structures[::-1], *structures[:3], tmp_path / "all.xyz"]
    results = zn.map(counting.Harmonic(), mixed, store=store)
    assert evaluations() == 0
    assert len(results) == 23
    assert results.rows.tolist() == list(range(23))
    zn.map(counting.Harmonic(), tmp_path / "one.xyz", store=store)
    assert evaluations() == 0


def test_duplicates_are_evaluated_once(counting, evaluations, structures, store):
    results = zn.map(counting.Harmonic(), [structures[0]] * 5, store=store)
    assert evaluations() == 1
    assert len(results) == 5


def test_duplicates_keep_what_is_their_own(counting, evaluations, structures, store):
    twins = [structures[0].copy() for _ in range(3)]
    for number, twin in enumerate(twins):
        twin.info["name"] = f"twin {number}"
        twin.set_array("mark", np.full(len(twin), number))
    results = zn.map(counting.Harmonic(), twins, store=store)
    assert evaluations() == 1
    assert [atoms.info["name"] for atoms in results] == ["twin 0", "twin 1", "twin 2"]
    assert [atoms.arrays["mark"][0] for atoms in results] == [0, 1, 2]


def test_other_settings_are_computed_and_the_old_results_kept(
    counting, evaluations, structures, store
):
    zn.map(counting.Harmonic(1.0), structures, store=store)
    zn.map(counting.Harmonic(2.0), structures, store=store)
    assert evaluations() == 20
    zn.map(counting.Harmonic(1.0), structures, store=store)
    zn.map(counting.Harmonic(2.0, threads=8), structures, store=store)
    assert evaluations() == 0


def test_other_content_of_a_model_file_is_computed(
    counting, evaluations, structures, store, tmp_path
):
    model = tmp_path / "model.json"
    model.write_text("1")
    zn.map(counting.Harmonic(model=model), structures, store=store)
    model.write_text("22")
    zn.map(counting.Harmonic(model=model), structures, store=store)
    assert evaluations() == 20
    model.rename(tmp_path / "renamed.json")
    zn.map(counting.Harmonic(model=tmp_path / "renamed.json"), structures, store=store)
    assert evaluations() == 0


def test_input_is_never_modified(counting, structures, store):
    before = [atoms.copy() for atoms in structures]
    for where in WHERE:
        zn.map(counting.shifted, structures, store=store, where=where)
        zn.map(counting.tagged, structures, store=store, where=where)
    for atoms, old in zip(structures, before, strict=True):
        np.testing.assert_array_equal(atoms.positions, old.positions)
        assert atoms.info == old.info
        assert atoms.calc is None


def test_a_function_depends_on_all_that_it_can_see(counting, evaluations, structures, store):
    zn.map(counting.tagged, structures[:1], store=store)
    structures[0].info["name"] = "another"
    [atoms] = zn.map(counting.tagged, structures[:1], store=store)
    assert evaluations() == 2
    assert atoms.info["tagged"] == "another"


def test_a_function_sees_only_what_it_is_said_to_read(counting, evaluations, structures, store):
    [atoms] = zn.map(counting.tagged, structures[:1], store=store, reads=())
    assert atoms.info == {"tagged": "none", "name": 0}
    structures[0].info["name"] = "another"
    [atoms] = zn.map(counting.tagged, structures[:1], store=store, reads=())
    assert evaluations() == 1
    assert atoms.info == {"tagged": "none", "name": "another"}


@pytest.mark.parametrize("where", WHERE)
def test_lambdas_and_local_functions(structures, store, where):
    factor = 3

    def scaled(atoms):
        atoms.positions *= factor
        return atoms

    results = zn.map(scaled, structures, store=store, where=where)
    np.testing.assert_array_equal(results[0].positions, 3 * structures[0].positions)
    lengths = zn.map(lambda atoms: len(atoms) * factor, structures, store=store, where=where)
    assert lengths == [3 * len(atoms) for atoms in structures]
    partial = zn.map(functools.partial(np.add, 1), [1.0, 2.0], store=store, where=where)
    assert partial == [2.0, 3.0]


@pytest.mark.parametrize("where", WHERE)
def test_failures_are_recorded_and_the_rest_is_kept(
    counting, evaluations, structures, store, where
):
    results = zn.map(counting.picky, structures, store=store, where=where, on_error="record")
    assert evaluations() == 10
    assert results.rows.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    [failure] = results.failures
    assert (failure.row, failure.kind, failure.type) == (3, "calculation", "ArithmeticError")
    assert failure.message == "three is too much"
    assert "in picky" in failure.traceback
    assert failure.attempts == 1
    assert failure.host
    again = zn.map(counting.picky, structures, store=store, where=where, on_error="record")
    assert evaluations() == 0
    assert again.failures == results.failures


def test_failures_are_tried_again_when_asked_for(counting, evaluations, structures, store):
    zn.map(counting.picky, structures, store=store, on_error="record")
    evaluations()
    results = zn.map(counting.picky, structures, store=store, on_error="record", retry="failed")
    assert evaluations() == 1
    assert results.failures[0].attempts == 2


def test_all_failures_are_told_at_the_end(counting, evaluations, structures, store):
    for atoms in structures[4:6]:
        atoms.info["name"] = 3
    with pytest.raises(zn.MapFailedError, match=r"item 5 .*three is too much") as caught:
        zn.map(counting.picky, structures, store=store)
    assert len(caught.value.results.failures) == 3
    assert len(caught.value.results) == 7
    assert evaluations() == 10


@pytest.mark.parametrize("allowed", [1, 0.1])
def test_max_failures_decides(counting, structures, store, allowed):
    assert len(zn.map(counting.picky, structures, store=store, max_failures=allowed)) == 9
    with pytest.raises(zn.MapFailedError, match="all but 0 of 10 items"):
        zn.map(counting.picky, structures, store=store, on_error="record", max_failures=0)


def test_a_worker_that_is_killed_costs_its_item_alone(counting, structures, store):
    results = zn.map(counting.deadly, structures, store=store, where=2, on_error="record")
    assert results.rows.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    [failure] = results.failures
    assert (failure.row, failure.kind, failure.attempts) == (3, "killed", 3)
    assert "signal 9" in failure.message


def test_seeds_belong_to_structures(counting, structures, store, tmp_path):
    alone = zn.map(counting.noisy, structures, store=store, seed=1)
    other = ItemStore(tmp_path / "other")
    shuffled = zn.map(counting.noisy, structures[::-1], store=other, seed=1, where=2, batch=3)
    for one, two in zip(alone, shuffled[::-1], strict=True):
        np.testing.assert_array_equal(one.positions, two.positions)
    reseeded = zn.map(counting.noisy, structures, store=store, seed=2)
    assert not np.allclose(reseeded[0].positions, alone[0].positions)


def test_a_seed_is_asked_for(counting, structures, store):
    with pytest.raises(ValueError, match="seed must be given, because noisy takes rng"):
        zn.map(counting.noisy, structures, store=store)


def test_steps_run_in_one_go_and_are_stored_one_by_one(counting, evaluations, structures, store):
    chain = [counting.shifted, counting.Harmonic()]
    results = zn.map(chain, structures, store=store)
    assert evaluations() == 20
    assert results[2].get_potential_energy() == pytest.approx(
        0.5 * ((structures[2].positions + 0.5) ** 2).sum()
    )
    assert results[2].info["name"] == 2
    zn.map([counting.shifted, counting.Harmonic(2.0)], structures, store=store, where=2)
    assert evaluations() == 10
    moved = zn.map(counting.shifted, structures, store=store)
    zn.map(counting.Harmonic(2.0), moved, store=store)
    assert evaluations() == 0


def test_sweep_over_settings(counting, evaluations, structures, store):
    results = zn.map(
        counting.Harmonic(), structures[:2], store=store, sweep={"strength": [1.0, 2.0, 3.0]}
    )
    assert evaluations() == 6
    energies = [atoms.get_potential_energy() for atoms in results]
    assert energies[1] == pytest.approx(2 * energies[0])
    assert results.rows.tolist() == [0, 0, 0, 1, 1, 1]
    assert [len(group) for group in results.groups()] == [3, 3]
    zn.map(counting.Harmonic(3.0), structures[:2], store=store)
    assert evaluations() == 0
    with pytest.raises(ValueError, match="sweep must name fields of Harmonic"):
        zn.map(counting.Harmonic(), structures, store=store, sweep={"power": [1]})


def test_groups_are_items_of_functions_that_take_lists(structures, store):
    def ends(band: list) -> list:
        return [band[0], band[-1]]

    results = zn.map(ends, [structures[:3], structures[3:]], store=store)
    assert [atoms.info["name"] for atoms in results] == [0, 2, 3, 9]
    assert results.rows.tolist() == [0, 0, 1, 1]


def test_batches(counting, evaluations, structures, store):
    def sizes(batch: list) -> list:
        counting.note("batch")
        return [float(len(atoms)) for atoms in batch]

    assert zn.map(sizes, structures, store=store, batch=5) == [len(atoms) for atoms in structures]
    assert evaluations() == 2
    zn.map(sizes, structures, store=store, batch=3)
    assert evaluations() == 0


def test_a_bad_item_of_a_batch_fails_alone(structures, store):
    def inverse(batch: list) -> list:
        return [1 / (3 - atoms.info["name"]) for atoms in batch]

    values = zn.map(inverse, structures, store=store, batch=5, on_error="record")
    assert [failure.row for failure in values.failures] == [3]
    assert len(values) == 9


def test_damage_of_the_store_costs_the_damaged_items(counting, evaluations, structures, store):
    zn.map(counting.Harmonic(), structures, store=store)
    evaluations()
    store.close()
    [segment] = store.segments.glob("*.seg")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 255
    segment.write_bytes(bytes(content))
    results = zn.map(counting.Harmonic(), structures, store=ItemStore(store.folder))
    assert evaluations() == 1
    assert len(results) == 10


def test_an_item_goes_on_from_its_checkpoint(counting, tmp_path, structures, store):
    [atoms] = zn.map(counting.walk, structures[:1], store=store)
    assert atoms.info["steps"] == 10
    steps = (tmp_path / "count").read_text().splitlines()
    assert steps == [f"step {number}" for number in range(1, 11)]
    assert not list((store.folder / "scratch").iterdir())


def test_without_a_cache_all_is_computed(counting, evaluations, structures, store):
    for _ in range(2):
        assert len(zn.map(counting.Harmonic(), structures, cache=False)) == 10
    assert evaluations() == 20


def test_arguments_are_part_of_the_key(structures, store):
    def power(atoms, exponent):
        return float(len(atoms)) ** exponent

    squares = zn.map(power, structures, store=store, arguments={"exponent": 2})
    cubes = zn.map(power, structures, store=store, arguments={"exponent": 3})
    assert squares[0] == 16
    assert cubes[0] == 64


def test_values_as_items(store):
    def shout(word):
        return word.upper() if word else None

    values = zn.map(shout, ["a", "", "b"], store=store)
    assert values == ["A", "B"]
    assert values.rows.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_error": "ignore"}, 'on_error must be "raise" or "record"'),
        ({"max_failures": -1}, "max_failures must be a number"),
        ({"retry": "all"}, "retry must be None"),
        ({"batch": 0}, 'batch must be None, "auto" or a positive number'),
        ({"sweep": []}, "sweep must have at least one setting"),
    ],
)
def test_wrong_arguments(counting, evaluations, structures, store, options, message):
    with pytest.raises(ValueError, match=message):
        zn.map(counting.shifted, structures, store=store, **options)
    assert evaluations() == 0


def test_what_has_no_canonical_form_is_refused(counting, evaluations, structures, store):
    unknown = object()

    def uses(atoms):
        return [atoms, unknown]

    with pytest.raises(zn.PipelineError, match="unknown"):
        zn.map(uses, structures, store=store)


def test_settings_of_a_sweep_are_told(store):
    def root(number, n):
        if n == 1:
            raise ValueError("not this one")
        return number**n

    values = zn.map(root, [2.0, 3.0], store=store, sweep={"n": [0, 1, 2]}, on_error="record")
    assert values == [[1.0, 4.0], [1.0, 9.0]]
    assert values.settings == [[{"n": 0}, {"n": 2}]] * 2
    assert [(failure.row, failure.setting) for failure in values.failures] == [
        (0, {"n": 1}),
        (1, {"n": 1}),
    ]


def test_settings_of_structures(counting, structures, store, tmp_path):
    options = {"store": store, "sweep": {"strength": [1.0, 2.0]}}
    results = zn.map(counting.Harmonic(), structures[:2], **options)
    assert [setting["strength"] for setting in results.settings] == [1.0, 2.0, 1.0, 2.0]
    for _ in range(2):
        results = zn.map(counting.Harmonic(), structures[:2], out=tmp_path / "a.h5", **options)
        assert [setting["strength"] for setting in results.settings] == [1.0, 2.0, 1.0, 2.0]


def test_no_items_and_wrong_outputs(counting, evaluations, store, tmp_path):
    assert zn.map(counting.shifted, [], store=store) == []
    with pytest.raises(ValueError, match="out must be None for items that are no structures"):
        zn.map(str.upper, ["a.xyz"], store=store, out=tmp_path / "a.h5")
    with pytest.raises(ValueError, match="foo"):
        zn.map(counting.shifted, [], store=store, out="a.foo")
    assert evaluations() == 0


def test_the_time_of_a_failure_is_kept(store):
    import time

    def fails(number):
        time.sleep(0.05)
        raise ValueError(number)

    values = zn.map(fails, [1], store=store, on_error="record")
    assert values.failures[0].seconds > 0.04
