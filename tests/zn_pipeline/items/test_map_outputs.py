"""Where the outputs of a map go: memory and files hold the same."""

import ase.io
import numpy as np
import pytest

import zn_pipeline as zn


def test_nesting_is_kept(counting, structures, store, tmp_path):
    nested = [structures[:2], [structures[2:3], structures[3:6]], structures[6]]
    memory = zn.map(counting.shifted, nested, store=store)
    assert [len(group) for group in memory.groups()] == [2, 4, 1]
    written = zn.map(counting.shifted, nested, store=store, out=tmp_path / "out.h5")
    assert [len(group) for group in written.groups()] == [2, 4, 1]
    inner = list(list(written.groups())[1].groups())
    assert [len(group) for group in inner] == [1, 3]


@pytest.mark.parametrize("name", ["out.h5", "out.xyz"])
def test_files_hold_the_same_as_memory(counting, structures, store, tmp_path, name):
    tags = {"config_type": "test"}
    memory = zn.map(counting.Harmonic(), structures, store=store, tags=tags)
    file = zn.map(counting.Harmonic(), structures, store=store, tags=tags, out=tmp_path / name)
    for one, other in zip(memory, file, strict=True):
        assert one.info == other.info
        np.testing.assert_allclose(one.positions, other.positions, atol=1e-12)
        np.testing.assert_allclose(one.get_forces(), other.get_forces(), atol=1e-12)
    assert file.rows.tolist() == list(range(10))


def test_a_finished_file_is_not_written_again(counting, evaluations, structures, store, tmp_path):
    out = tmp_path / "out.h5"
    zn.map(counting.Harmonic(), structures, store=store, out=out)
    evaluations()
    before = out.stat().st_mtime_ns
    zn.map(counting.Harmonic(), structures, store=store, out=out)
    assert out.stat().st_mtime_ns == before
    out.write_bytes(out.read_bytes()[:1000])
    results = zn.map(counting.Harmonic(), structures, store=store, out=out)
    assert len(results) == 10
    assert results[9].info["name"] == 9
    assert evaluations() == 0


def test_a_filter_that_keeps_nothing(counting, evaluations, structures, store, tmp_path):
    def keep(atoms):
        counting.note("keep")
        return

    for _ in range(2):
        results = zn.map(keep, structures, store=store, out=tmp_path / "none.h5")
        assert len(results) == 0
    assert evaluations() == 10


def test_files_of_the_failed(counting, structures, store, tmp_path):
    out = tmp_path / "out.h5"
    zn.map(counting.picky, structures, store=store, on_error="record", out=out)
    [failed] = zn.Frames(tmp_path / "out.h5.failed.h5")
    assert failed.info["name"] == 3
    assert "three is too much" in (tmp_path / "out.h5.failures.jsonl").read_text()
    assert len(zn.Frames(out)) == 9
    structures[3].info["name"] = 33
    zn.map(counting.picky, structures, store=store, on_error="record", out=out)
    assert len(zn.Frames(out)) == 10
    assert not (tmp_path / "out.h5.failed.h5").exists()


def test_one_file_for_each_input_file(counting, evaluations, structures, store, tmp_path):
    for name, part in (("a", structures[:3]), ("b", structures[3:])):
        ase.io.write(tmp_path / f"{name}.xyz", part)
    target = str(tmp_path / "done" / "{stem}.h5")
    for _ in range(2):
        results = zn.map(
            counting.picky, str(tmp_path / "?.xyz"), store=store, out=target, on_error="record"
        )
        assert [len(group) for group in results.groups()] == [3, 6]
        assert [len(zn.Frames(tmp_path / "done" / f"{name}.h5")) for name in "ab"] == [3, 6]
    assert evaluations() == 10


def test_files_are_written_again_for_other_tags_and_names(counting, structures, store, tmp_path):
    out = tmp_path / "out.h5"
    zn.map(counting.Harmonic(), structures, store=store, out=out)
    tagged = zn.map(counting.Harmonic(), structures, store=store, out=out, tags={"round": 2})
    assert tagged[0].info["round"] == 2
    structures[0].info["name"] = "renamed"
    renamed = zn.map(counting.Harmonic(), structures, store=store, out=out, tags={"round": 2})
    assert renamed[0].info == {"name": "renamed", "round": 2}


def test_provenance(counting, structures, store, tmp_path):
    output = zn.Output(tmp_path / "out.h5", provenance=True)
    results = zn.map(counting.Harmonic(), structures, store=store, out=output)
    stamp = results[4].info["zn_provenance"]
    assert (stamp["file"], stamp["position"], len(stamp["key"])) == ("memory", 4, 40)
