"""What a map is asked to do, and how that travels."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from ase import Atoms
from ase.calculators.emt import EMT

from zn_pipeline.items.call import Call, as_callable, digest_of, step_of, takes_list, with_setting
from zn_pipeline.items.evaluate import Evaluate


def call_of(function, **options):
    return Call(((step_of(function, arguments=None, reads=None),),), **options)


def test_a_call_travels_with_its_digest(structures):
    factor = 2

    def double(atoms):
        return len(atoms) * factor

    payload = call_of(double).dump(by_value=True)
    loaded = Call.load(payload, digest_of(payload))
    assert loaded.steps[0].apply(structures[1], None, None) == 2
    assert loaded.identify(0, 0, structures[0]) == call_of(double).identify(0, 0, structures[0])
    with pytest.raises(ValueError, match="must have digest"):
        Call.load(payload + b" ", digest_of(payload))


@pytest.mark.parametrize("given", [EMT(), (EMT, {}), (EMT, (), {})])
def test_calculators_are_evaluated(given):
    assert isinstance(as_callable(given), Evaluate)


def test_what_is_no_function_is_refused():
    with pytest.raises(TypeError, match="func must be a function"):
        as_callable(3)
    with pytest.raises(TypeError, match="name them"):
        as_callable((EMT, (1,), {}))


def test_lists_are_told_by_the_annotation():
    def of_one(atoms: Atoms): ...
    def of_list(band: list): ...
    def of_atoms(band: list[Atoms]): ...
    def of_text(band: "list[Atoms]"): ...
    def of_word(word: str): ...

    found = [takes_list(each) for each in (of_one, of_list, of_atoms, of_text, of_word)]
    assert found == [False, True, True, True, False]


def test_a_seed_belongs_to_the_structure(counting, structures):
    call = call_of(counting.noisy, seed=1)
    one, other = (call.identify(0, 0, atoms) for atoms in structures[:2])
    assert one == call.identify(0, 0, structures[0].copy())
    assert one[2] != other[2]
    with pytest.raises(ValueError, match="seed must be given"):
        call_of(counting.noisy).identify(0, 0, structures[0])


def test_a_sweep_sets_fields(counting):
    changed, rest = with_setting(Evaluate(counting.Harmonic()), {"strength": 3.0})
    assert changed.calculator == counting.Harmonic(3.0)
    assert rest == {}
    changed, _ = with_setting(Evaluate((EMT, {})), {"asap_cutoff": True})
    assert changed.calculator == (EMT, {"asap_cutoff": True})
    with pytest.raises(ValueError, match="a sweep over a calculator needs a spec"):
        with_setting(Evaluate(EMT()), {"asap_cutoff": True})


def test_calculators_get_a_folder_of_their_own(tmp_path):
    [step] = call_of(EMT()).prepare(tmp_path).steps
    assert step.func.directory.is_relative_to(tmp_path)


def test_maps_of_several_threads_travel(counting):
    call = call_of(counting.tagged)
    with ThreadPoolExecutor(4) as threads:
        payloads = list(threads.map(lambda _: call.dump(by_value=True), range(40)))
    assert len({len(payload) for payload in payloads}) == 1
