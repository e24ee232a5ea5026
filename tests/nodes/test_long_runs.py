import time

import ase.build
import numpy as np
import pytest
from ase.calculators.emt import EMT

from nodes.long_runs import (
    BLOCK_FRAMES,
    Checkpoint,
    FrameLog,
    StepClock,
    WalltimeError,
    own_calculator,
    read_with,
    with_results,
)


def copper(**arrays):
    atoms = ase.build.bulk("Cu", cubic=True)
    for name, array in arrays.items():
        atoms.set_array(name, array)
    return atoms


def test_a_checkpoint_comes_back_exactly(tmp_path):
    checkpoint = Checkpoint(tmp_path / "new", "md", copper())
    assert checkpoint.load() is None
    arrays = {"x": np.random.default_rng(0).normal(size=(3, 2)), "n": np.array(2**40)}
    state = np.random.default_rng(1).bit_generator.state
    checkpoint.save(arrays, {"rng": state, "third": 1 / 3})
    found = checkpoint.load()
    assert found.values == {"rng": state, "third": 1 / 3}
    assert found.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype
    assert [path.suffix for path in (tmp_path / "new").iterdir()] == [".npz"]


def test_a_checkpoint_belongs_to_name_and_start(tmp_path):
    other = copper()
    other.set_momenta(np.ones((4, 3)))
    Checkpoint(tmp_path, "md", copper()).save({}, {})
    assert Checkpoint(tmp_path, "md", copper()).load() is not None
    assert Checkpoint(tmp_path, "relax", copper()).load() is None
    assert Checkpoint(tmp_path, "md", other).load() is None


def test_without_a_folder_nothing_is_kept():
    checkpoint = Checkpoint(None, "md", copper())
    checkpoint.save({"x": np.zeros(2)}, {})
    assert checkpoint.load() is None


def numbered(count, start=0):
    for number in range(start, start + count):
        atoms = copper()
        atoms.info["number"] = number
        yield atoms


@pytest.mark.parametrize("known", [0, 3, BLOCK_FRAMES, BLOCK_FRAMES + 5])
def test_frames_after_the_checkpoint_are_dropped(tmp_path, known):
    checkpoint = Checkpoint(tmp_path, "md", copper())
    log = FrameLog(checkpoint)
    for atoms in numbered(BLOCK_FRAMES + 20):
        log.append(atoms)
    log.flush()
    again = FrameLog(checkpoint, known)
    assert len(again) == known
    for atoms in numbered(BLOCK_FRAMES + 30 - known, start=known):
        again.append(atoms)
    numbers = [frame.info["number"] for frame in again.frames()]
    assert numbers == list(range(BLOCK_FRAMES + 30))


def test_memory_holds_one_block_only(tmp_path):
    log = FrameLog(Checkpoint(tmp_path, "md", copper()))
    for atoms in numbered(2 * BLOCK_FRAMES + 1):
        log.append(atoms)
    assert len(log) == 2 * BLOCK_FRAMES + 1
    assert len(log._recent) == 1


def test_results_are_copied_with_those_unknown_to_ase():
    atoms = copper()
    atoms.calc = EMT()
    atoms.get_potential_energy()
    atoms.calc.results["forces_std"] = np.full((4, 3), 0.1)
    frame = with_results(atoms)
    assert set(frame.calc.results) == {"energy", "forces", "stress"}
    atoms.calc.results["forces_std"][:] = 0.5
    np.testing.assert_array_equal(frame.arrays["forces_std"], 0.1)


def test_the_calculator_is_closed(tmp_path):
    class Closing(EMT):
        closed = False

        def close(self):
            self.closed = True

    class Spec:
        def get_calculator(self, directory=None):
            assert directory == tmp_path / "calculator"
            return Closing()

    with pytest.raises(KeyError), own_calculator(Spec(), tmp_path) as calculator:
        raise KeyError
    assert calculator.closed


def test_what_a_calculator_reads_is_read():
    class Spec:
        reads = ("info.solvent",)

    class Greedy:
        reads = "all"

    assert read_with(Spec(), "momenta") == ("momenta", "info.solvent")
    assert "info.charge" in read_with(object(), "momenta")
    assert read_with(Greedy(), "momenta") == "all"


def test_the_clock_asks_for_regular_checkpoints(monkeypatch):
    monkeypatch.delenv("ZN_DEADLINE", raising=False)
    clock = StepClock(4)
    assert [step for step in range(1, 13) if clock.due(step)] == [4, 8, 12]
    clock.stop_if_late(12, 20)


def test_the_clock_stops_when_time_is_over(monkeypatch):
    monkeypatch.setenv("ZN_DEADLINE", str(time.time() + 5.0))
    clock = StepClock(4)
    assert clock.due(1)
    with pytest.raises(WalltimeError, match="step 20 must be reached before the job ends"):
        clock.stop_if_late(1, 20)
    monkeypatch.setenv("ZN_DEADLINE", str(time.time() + 1000.0))
    clock = StepClock(4)
    assert not clock.due(1)


def test_the_clock_stops_at_a_checkpoint_if_the_next_is_too_far(monkeypatch):
    monkeypatch.setenv("ZN_DEADLINE", str(time.time() + 10.5))
    clock = StepClock(100)
    time.sleep(0.02)
    assert not clock.due(1)  # another step is no problem
    assert clock.due(100)  # another 100 are
    assert clock.late
