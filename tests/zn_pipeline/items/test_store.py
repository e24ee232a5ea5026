import os
import subprocess
import sys
import threading

import pytest
from ase.build import bulk

from zn_pipeline.items import store as module
from zn_pipeline.items.records import Done
from zn_pipeline.items.segment import DamagedError, SegmentWriter
from zn_pipeline.items.store import ItemStore, default_folder


def test_values_come_back_in_order(item_store, made):
    atoms = bulk("Cu")
    places = item_store.put([made.record(n, atoms if n == 1 else None) for n in range(4)])
    assert item_store.read(places[1]) == atoms
    assert list(item_store.read_many(reversed(places)))[0::3] == [3, 0]
    assert list(item_store.read_many(places[2:], made.keys([2, 3]))) == [2, 3]


def test_making_a_store_touches_nothing(tmp_path):
    store = ItemStore(tmp_path / "store")
    store.writer()
    store.close()
    assert not (tmp_path / "store").exists()


def test_workers_report_without_bodies(item_store, made):
    writer = SegmentWriter(item_store.segments)
    record = made.record(1)
    place = writer.append(record)
    done = Done(
        record.key, record.recipe, record.structure, "ok", place, 1.5, 2, record.key, last=True
    )
    item_store.add([(done, place)])
    entry = item_store.find([record.key], refresh=False)[record.key]
    assert (entry.seconds, entry.attempts, item_store.read(entry.place)) == (1.5, 2, 1)


def test_damage_that_leaves_no_trace_in_size_and_time(item_store, made):
    places = made.fill(item_store, range(3))
    path = item_store.segments / places[0].segment
    item_store.refresh()
    info = path.stat()
    made.damage(item_store, places[1])
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert made.key(1) in item_store.find([made.key(1)])
    with pytest.raises(DamagedError, match="checksum does not fit"):
        item_store.read(places[1], made.key(1))
    assert made.found(item_store, range(3)) == [0, 2]


def test_a_record_of_another_key_is_not_taken(item_store, made):
    places = made.fill(item_store, range(2))
    with pytest.raises(DamagedError, match="must have the key"):
        item_store.read(places[0], made.key(5))


def test_a_segment_that_is_gone(item_store, made):
    (place,) = made.fill(item_store, [1])
    (item_store.segments / place.segment).unlink()
    with pytest.raises(DamagedError, match="is not; its records count as not done"):
        item_store.read(place)


def test_a_record_that_was_moved_is_read_at_its_new_place(item_store, made):
    (place,) = made.fill(item_store, [1])
    item_store.writer().close()
    SegmentWriter(item_store.segments).append(made.record(1))
    (item_store.segments / place.segment).unlink()
    assert item_store.read(place, made.key(1)) == 1


def test_many_segments_and_few_open_files(item_store, made, monkeypatch):
    monkeypatch.setattr(module, "_MAX_OPEN", 3)
    places = []
    for number in range(10):
        places += made.fill(item_store, [number])
        item_store.writer().close()
    assert list(item_store.read_many(places * 2)) == [*range(10), *range(10)]
    assert len(item_store._files) == 3


def test_threads_share_a_store(item_store, made):
    errors: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for number in range(first, first + 30):
                made.fill(item_store, [number])
                assert made.found(item_store, [number]) == [number]
        except BaseException as error:  # noqa: BLE001 - told by the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(made.found(item_store, range(400))) == 120


def test_recipes_are_kept_once(item_store, made):
    recipe = made.recipe(cutoff=300)
    item_store.note_recipe(recipe)
    item_store.note_recipe(recipe)
    other = ItemStore(item_store.folder)
    other.note_recipe(recipe)
    assert len(list(item_store.segments.iterdir())) == 1
    assert other.recipe(recipe.id) == recipe.text
    assert other.recipe(bytes(20)) is None
    item_store.rebuild()
    assert item_store.recipe(recipe.id) == recipe.text
    other.close()


def test_a_segment_from_elsewhere_is_adopted_as_it_grows(item_store, made, tmp_path):
    writer = SegmentWriter(tmp_path / "job")
    writer.append(made.record(1))
    path = tmp_path / "job" / writer.name
    item_store.adopt(path)
    assert made.found(item_store, range(5)) == [1]
    part = path.read_bytes()[:-1]
    writer.append(made.record(2))
    item_store.adopt(path)
    item_store.adopt(path)
    assert made.found(item_store, range(5)) == [1, 2]
    path.write_bytes(part)  # an older state changes nothing
    item_store.adopt(path)
    assert made.found(item_store, range(5)) == [1, 2]


def test_scratch_folders_belong_to_keys(item_store, made):
    assert item_store.scratch(made.key(1)) == item_store.folder / "scratch" / made.key(1).hex()


def test_without_a_repository_the_store_lies_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert default_folder() == tmp_path / ".zn_items"
    assert ItemStore.default(tmp_path).folder == tmp_path / ".zn_items"


def test_branches_and_work_trees_share_the_store(tmp_project, tmp_path_factory):
    home = tmp_project.path / ".dvc" / "cache" / "zn_pipeline" / "items"
    (tmp_project.path / "sub").mkdir()
    assert default_folder() == default_folder(tmp_project.path / "sub") == home
    tree = tmp_path_factory.mktemp("trees") / "tree"
    tmp_project.git("worktree", "add", "--quiet", str(tree), "-b", "other")
    assert default_folder(tree) == home
    config = tmp_project.path / ".dvc" / "config"
    shared = tmp_path_factory.mktemp("shared")
    config.write_text(f"{config.read_text()}[cache]\n    dir = {shared}\n")
    assert default_folder() == shared / "zn_pipeline" / "items"


@pytest.mark.slow
def test_a_temporary_experiment_shares_the_store(tmp_project):
    code = (
        "from zn_pipeline.items.store import default_folder as d; print(d(), file=open('o', 'w'))"
    )
    tmp_project.write("stage.py", code)
    tmp_project.write("params.yaml", "x: 1\n")
    tmp_project.write(
        "dvc.yaml",
        f"stages:\n  s:\n    cmd: {sys.executable} stage.py\n"
        "    deps: [stage.py]\n    params: [x]\n"
        "    outs: [o]\n",
    )
    tmp_project.write(".gitignore", "/o\n")
    tmp_project.commit("first")
    subprocess.run(
        [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", "e", "-S", "x=2"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    said = subprocess.run(
        [sys.executable, "-m", "dvc", "get", ".", "o", "--rev", "e", "-o", "got"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert (tmp_project.path / "got").read_text().strip() == str(default_folder())
