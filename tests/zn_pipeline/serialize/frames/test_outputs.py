"""Results in memory, in one file, in many files: the same everywhere, all or nothing."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from ase import Atoms

from zn_pipeline.serialize.frames import Frames, read_keys, write_frames
from zn_pipeline.serialize.frames import FramesOutput as Output
from zn_pipeline.serialize.frames.outputs import PROVENANCE

KEYS = [bytes([number]) * 20 for number in range(9)]


def shape(frames: Frames) -> list:
    return [
        entry.info["step"] if isinstance(entry, Atoms) else shape(entry)
        for entry in frames.entries()
    ]


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def inputs(tmp_path: Path, labelled) -> Frames:
    a = labelled(6)
    write_frames(tmp_path / "one.h5", a[:2])
    Output(tmp_path / "two.xyz").write([a[2], [a[3], a[4]]])
    write_frames(tmp_path / "three.h5", a[5:])
    return Frames([tmp_path / "one.h5", tmp_path / "two.xyz", tmp_path / "three.h5"])


@pytest.mark.parametrize("seed", range(3))
def test_the_same_wherever_it_is_stored(
    seed: int, tmp_path: Path, random_frames, assert_same_frame
):
    frames = random_frames(seed, 40)
    groups = [frames[:5], frames[5], [frames[6:9], [], frames[9]], *frames[10:]]
    tags = {"run": 7, "name": "x", "pair": (1, 2.0), "vector": [0.5, 1.0]}
    memory = Output(tags=tags).write(groups)
    assert len(memory) == 40
    for name in ("a.h5", "a.h5md", "a.xyz", "a.extxyz"):
        stored = Output(tmp_path / name, tags=tags).write(iter(groups))
        assert stored.nesting() == memory.nesting()
        assert stored.keys() == memory.keys()
        for one, other in zip(memory, stored, strict=True):
            assert_same_frame(one, other)
            assert {key: one.info[key] for key in tags} == tags
    assert not any("pair" in atoms.info for atoms in frames)


def test_one_file_for_each(tmp_path: Path, inputs: Frames):
    output = Output(tmp_path / "done" / "{stem}.xyz")
    results = [atoms for atoms in inputs if atoms.info["step"] not in (1, 5)]
    kept = [atoms if atoms.info["step"] not in (1, 5) else None for atoms in inputs]
    written = output.write_results(inputs, kept, KEYS[:6])
    assert files_in(tmp_path / "done") == [
        f"{stem}.xyz{suffix}" for stem in ("one", "three", "two") for suffix in ("", ".keys")
    ]
    assert shape(written) == [[0], [2, [3, 4]], []]
    assert len(written) == len(results)
    assert len(Frames(tmp_path / "done" / "three.xyz")) == 0
    assert output.is_current(KEYS[:6], inputs=inputs)
    assert shape(output.frames(inputs)) == shape(written)
    assert [read_keys(file) for file in output.files(inputs)] == [KEYS[:6]] * 3


def test_folders_and_patterns(tmp_path: Path, inputs: Frames):
    (tmp_path / "there").mkdir()
    for target in (f"{tmp_path}/new/", tmp_path / "there"):
        names = [file.name for file in Output(target).files(inputs)]
        assert names == ["one.h5", "two.h5", "three.h5"]
    pattern = "out/{parent}-{index}-{name}.h5"
    assert [str(file) for file in Output(pattern).files(inputs)][1] == (
        f"out/{tmp_path.name}-1-two.xyz.h5"
    )
    assert [str(f) for f in Output("{stem}.h5").files(Frames([[Atoms()], Atoms()]))] == [
        "0.h5",
        "1.h5",
    ]


def test_a_single_input_file_has_one_output_file(tmp_path: Path, inputs: Frames):
    two = Frames(tmp_path / "two.xyz")
    output = Output(tmp_path / "done" / "{stem}.h5")
    written = output.write_results(two, two, KEYS[:3])
    assert files_in(tmp_path / "done") == ["two.h5", "two.h5.keys"]
    assert shape(written) == shape(two) == [2, [3, 4]]
    assert output.is_current(KEYS[:3], inputs=two)


def test_several_results_for_one_structure(inputs: Frames):
    def results():
        for atoms in inputs:
            yield [atoms] * 2 if atoms.info["step"] == 3 else atoms

    written = Output().write_results(inputs, results())
    assert shape(written) == [[0, 1], [2, [[3, 3], 4]], [5]]


@pytest.mark.parametrize("name", ["a.h5", "a.xyz"])
def test_current_or_not(tmp_path: Path, labelled, name: str):
    path = tmp_path / name
    output = Output(path)
    assert not output.is_current(KEYS)
    output.write(labelled(9), iter(KEYS))
    assert output.is_current(iter(KEYS))
    assert not output.is_current(KEYS[:8])
    assert not output.is_current([KEYS[1], KEYS[0], *KEYS[2:]])
    assert not Output(path, tags={"a": 1}).is_current(KEYS)
    assert not Output(path, provenance=True).is_current(KEYS)
    assert not Output().is_current(KEYS)
    before = path.read_bytes()
    output.write(labelled(9), KEYS)
    assert path.read_bytes() == before
    os.utime(path, ns=(5, 5))
    assert output.is_current(KEYS)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 10)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def foreign(path: Path) -> None:
    path.write_text("something else")


@pytest.mark.parametrize("damage", [truncate, flip, foreign, Path.unlink])
@pytest.mark.parametrize("victim", ["two.h5", "two.h5.keys"])
def test_damage_is_seen_and_mended(tmp_path: Path, inputs: Frames, damage, victim: str):
    output = Output(tmp_path / "done" / "{stem}.h5")
    output.write_results(inputs, inputs, KEYS[:6])
    damage(tmp_path / "done" / victim)
    if (damage, victim) != (flip, "two.h5.keys"):  # that bit may be in a key
        assert not output.is_current(KEYS[:6], inputs=inputs)
    output.write_results(inputs, inputs, KEYS[:6])
    assert output.is_current(KEYS[:6], inputs=inputs, verify=True)
    assert shape(output.frames(inputs)) == [[0, 1], [2, [3, 4]], [5]]


def test_other_groups_are_another_set(tmp_path: Path, labelled):
    output = Output(tmp_path / "a.h5")
    frames = labelled(4)
    output.write_results(Frames([frames[:2], frames[2:]]), frames, KEYS[:4])
    assert output.is_current(KEYS[:4], inputs=Frames([frames[:2], frames[2:]]))
    assert not output.is_current(KEYS[:4], inputs=Frames([frames[:1], frames[1:]]))


def test_nothing_is_visible_before_all_is_written(tmp_path: Path, inputs: Frames):
    output = Output(tmp_path / "done" / "{stem}.h5")

    def results():
        for row, atoms in enumerate(inputs):
            assert not [name for name in files_in(tmp_path / "done") if name[0] != "."]
            if row == 5:
                raise RuntimeError("no more")
            yield atoms

    (tmp_path / "done").mkdir()
    with pytest.raises(RuntimeError, match="no more"):
        output.write_results(inputs, results(), KEYS[:6])
    assert files_in(tmp_path / "done") == []


KILLED = """
import sys, time
from zn_pipeline.serialize.frames import Frames, FramesOutput
inputs = Frames(sys.argv[1:4])
def results():
    for row, atoms in enumerate(inputs):
        if row == 5:
            print("in the middle", flush=True)
            time.sleep(60)
        yield atoms
FramesOutput(sys.argv[4] + "/{stem}.h5").write_results(inputs, results(), [b"x"] * 6)
"""


def test_a_killed_writer_leaves_the_set_as_it_was(tmp_path: Path, inputs: Frames):
    output = Output(f"{tmp_path}/done/")
    output.write_results(inputs, inputs, KEYS[:6])
    names = [str(tmp_path / name) for name in ("one.h5", "two.xyz", "three.h5")]
    command = [sys.executable, "-c", KILLED, *names, str(tmp_path / "done")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in the middle\n"
        process.kill()
    assert output.is_current(KEYS[:6], inputs=inputs, verify=True)


def test_two_writers_at_once(tmp_path: Path, inputs: Frames):
    targets = tmp_path / "done" / "{stem}.h5"
    sets = [[bytes([number]) * 20] * 6 for number in range(4)]

    def work(keys: list[bytes]) -> None:
        for _ in range(5):
            tagged = Output(targets, tags={"set": keys[0][0]})
            tagged.write_results(inputs, inputs, keys)

    threads = [threading.Thread(target=work, args=(keys,)) for keys in sets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    current = [
        Output(targets, tags={"set": keys[0][0]}).is_current(keys, inputs=inputs, verify=True)
        for keys in sets
    ]
    assert sum(current) == 1
    frames = Output(targets).frames(inputs)
    assert set(frames.column("set").tolist()) == {current.index(True)}
    assert len(files_in(tmp_path / "done")) == 6


def test_provenance(tmp_path: Path, inputs: Frames):
    output = Output(tmp_path / "all.xyz", provenance=True)
    results = [atoms if row != 2 else [atoms, atoms] for row, atoms in enumerate(inputs)]
    written = output.write_results(inputs, results, KEYS[:6])
    assert written[3].info[PROVENANCE] == {
        "key": KEYS[2].hex(),
        "file": str(tmp_path / "two.xyz"),
        "position": 0,
    }
    assert PROVENANCE not in results[0].info
    assert PROVENANCE not in Output().write_results(inputs, inputs)[0].info


def test_an_output_can_replace_its_input(tmp_path: Path, inputs: Frames):
    frames = Frames(tmp_path / "one.h5")
    Output(tmp_path / "one.h5", tags={"new": 1}).write(frames)
    assert Frames(tmp_path / "one.h5").column("new").tolist() == [1, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda f: Output("a.txt"),
            r"must end in \.h5, .*received 'a\.txt'; end the name of a new",
        ),
        (lambda f: Output().frames(), "from a target that is a file, received memory; keep what"),
        (lambda f: Output("{stem}.h5").files(), r"inputs must be given .*received None"),
        (lambda f: Output("{no}.h5").files(f), r"no fields but \{stem\}.*received '\{no\}\.h5'"),
        (lambda f: Output("x{stem}.h5").files(f + f), r"its own output file, received xone\.h5"),
        (
            lambda f: Output("x{stem}.h5").write([[]], inputs=f),
            "each of 3 output files, received 1",
        ),
        (lambda f: Output("x{stem}.h5").write([[]] * 4, inputs=f), "3 output files, received more"),
        (
            lambda f: Output("a.h5").write_results(f, list(f)[1:]),
            "one for each frame, received few",
        ),
        (lambda f: Output("a.h5").write_results(f, [*f, None]), "structure, received more"),
    ],
)
def test_mistakes(inputs: Frames, call, message: str, tmp_path: Path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with pytest.raises(ValueError, match=message):
        call(inputs)
    assert files_in(tmp_path / "work") == []


def test_a_tag_that_cannot_be_stored():
    with pytest.raises(TypeError, match="tag 'a': values must be"):
        Output(tags={"a": object()})


def test_any_form_of_target(tmp_path: Path):
    output = Output(tmp_path / "a.h5")
    assert Output.from_any(output) is output
    assert Output.from_any(str(tmp_path / "a.h5")).files() == [tmp_path / "a.h5"]
    assert Output.from_any(None).files() == []
    assert "a.h5" in repr(output)
