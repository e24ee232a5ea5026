"""Reading as little as needed, from any thread, and noticing that a file has changed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
from ase import Atoms

from zn_pipeline.serialize.frames import Frames, reader, write_frames


@pytest.fixture
def path(tmp_path: Path, labelled) -> Path:
    write_frames(tmp_path / "a.h5", labelled(700))
    return tmp_path / "a.h5"


def test_a_column_reads_no_other_dataset(path: Path, labelled):
    with h5py.File(path, "a") as file:
        for group in ("particles/atoms", "observables/atoms"):
            for name in list(file[group]):
                if name != "potential_energy":
                    del file[group][name]
    frames = Frames.from_file(path)
    expected = [atoms.get_potential_energy() for atoms in labelled(700)]
    np.testing.assert_array_equal(frames.energies, expected)
    np.testing.assert_array_equal(frames[::-7].energies, expected[::-7])
    with pytest.raises(KeyError):
        frames[0]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Collect (dataset, number of values) of everything that is read from a dataset."""
    seen: list[tuple[str, int]] = []
    plain = h5py.Dataset.__getitem__

    def counting(self, *args, **kwargs):
        value = plain(self, *args, **kwargs)
        seen.append((self.name, np.size(value)))
        return value

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counting)
    return seen


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path, path: Path, reads):
    Frames.from_file(tmp_path / "nowhere.h5")
    frames = Frames.from_file(path)
    assert reads == []
    view = frames[10:600:3][[5, -1, 7]]
    assert len(view) == 3
    assert not [name for name, _ in reads if "value" in name]


def test_a_view_reads_only_near_its_frames(path: Path, reads):
    forces = Frames.from_file(path)[600:610].forces
    assert forces.shape == (10, 4, 3)
    assert [entry for entry in reads if "value" in entry[0]] == [
        ("/particles/atoms/force/value", 10 * 4 * 3)
    ]


def test_neighbours_are_read_once(path: Path, reads):
    frames = Frames.from_file(path)
    block = len(frames) // 4
    for number in range(block):
        _ = frames[number]
    assert sum(name.endswith("position/value") for name, _ in reads) < block / 50


def test_one_large_frame_does_not_widen_the_others(tmp_path: Path, monkeypatch, reads):
    monkeypatch.setattr(reader, "SLAB_NUMBERS", 6000)
    frames = [Atoms("H2")] * 100 + [Atoms("H500")] + [Atoms("H2")] * 100
    write_frames(tmp_path / "a.h5", frames)
    lazy = Frames.from_file(tmp_path / "a.h5")
    assert [len(atoms) for atoms in lazy] == [len(atoms) for atoms in frames]
    assert [len(lazy[number]) for number in (99, 100, 101)] == [2, 500, 2]
    assert max(size for _, size in reads) <= 6000


def test_order_and_repetition_of_indices(path: Path):
    index = np.random.default_rng(0).integers(0, 700, 300)
    frames = Frames.from_file(path)[index]
    assert [atoms.info["step"] for atoms in frames] == index.tolist()
    assert frames.column("step").tolist() == index.tolist()


def test_many_threads(path: Path):
    frames = Frames.from_file(path)

    def job(seed: int) -> bool:
        index = np.random.default_rng(seed).integers(0, 700, 20)
        steps = [frames[int(number)].info["step"] for number in index]
        return steps == index.tolist() == frames[index].column("step").tolist()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(job, range(8)))


def test_a_frame_can_be_changed_without_changing_the_sequence(path: Path):
    frames = Frames.from_file(path)
    atoms = frames[3]
    atoms.positions[:] = 0
    atoms.calc.results["forces"][:] = 0
    assert frames[3].positions.any()
    assert frames[3].get_forces().any()


def test_a_file_that_changed_is_noticed(path: Path, labelled):
    frames = Frames.from_file(path)
    assert len(frames) == 700
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    assert frames[5].info["step"] == 5
    write_frames(path, labelled(3))
    with pytest.raises(ValueError, match=r"must not change while it is read.*from_file\(path\)"):
        frames[699]
    path.unlink()
    with pytest.raises(FileNotFoundError, match="run what produces it first"):
        frames[699]


def test_no_file_and_no_h5md(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"an existing file, received .*nowhere\.h5"):
        len(Frames.from_file(tmp_path / "nowhere.h5"))
    (tmp_path / "a.xyz").write_text("1\n\nH 0 0 0\n")
    with pytest.raises(ValueError, match=r"from an H5MD file, received .*ase\.io\.read"):
        len(Frames.from_file(tmp_path / "a.xyz"))


def test_any_number_of_files_can_be_in_use(tmp_path: Path):
    paths = [tmp_path / f"{number}.h5" for number in range(40)]
    for path in paths:
        write_frames(path, [Atoms("H")])
    opened = len(list(Path("/proc/self/fd").iterdir()))
    frames = [Frames.from_file(path) for path in paths]
    assert sum(len(one[0]) for one in frames) == 40
    assert len(list(Path("/proc/self/fd").iterdir())) <= opened + 2
