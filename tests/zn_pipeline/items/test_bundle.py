"""The folder of a batch job: what is written can be computed there, and nothing else."""

import json
import signal

import pytest

from zn_pipeline.errors import PipelineError
from zn_pipeline.items.bundle import BEGUN, MANIFEST, SEGMENTS, read_keys, run_bundle, write_bundle
from zn_pipeline.items.call import Call, step_of
from zn_pipeline.items.records import Work
from zn_pipeline.items.store import ItemStore


@pytest.fixture(autouse=True)
def signals():
    """Put the handler back that a job sets."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def bundle(counting, structures, tmp_path):
    """Return the folder of a bundle, and its works."""
    call = Call(((step_of(counting.tagged, arguments=None, reads=None),),))
    work = []
    for atoms in structures[:3]:
        key, structure, seed = call.identify(0, 0, atoms)
        work.append(Work(key, structure, atoms, seed))
    write_bundle(tmp_path / "job", call.dump(by_value=True), work, store=None, scratch="scratch")
    return tmp_path / "job", work


def test_what_was_written_is_computed(bundle, tmp_path, evaluations):
    folder, work = bundle
    keys = [entry.key for entry in work]
    assert read_keys(folder) == keys
    assert run_bundle(folder) == 0
    assert evaluations() == 3
    assert (folder / BEGUN).exists()
    store = ItemStore(tmp_path / "items")
    for segment in (folder / SEGMENTS).glob("*.seg"):
        store.adopt(segment)
    found = store.find(keys)
    assert [store.read(found[key].place).info["tagged"] for key in keys] == [0, 1, 2]


def test_after_the_deadline_nothing_begins(bundle, evaluations, monkeypatch):
    monkeypatch.setenv("ZN_DEADLINE", "1")
    with pytest.raises(PipelineError, match="walltime must be long enough"):
        run_bundle(bundle[0])
    assert evaluations() == 0
    assert not (bundle[0] / BEGUN).exists()


def test_files_that_are_not_whole_are_refused(bundle):
    items = bundle[0] / "items.bin"
    items.write_bytes(items.read_bytes()[:-1])
    with pytest.raises(PipelineError, match="must be as it was written"):
        run_bundle(bundle[0])


def test_another_python_is_refused(bundle):
    manifest = json.loads((bundle[0] / MANIFEST).read_text())
    (bundle[0] / MANIFEST).write_text(json.dumps(manifest | {"python": [2, 7]}))
    with pytest.raises(PipelineError, match=r"the Python that made it, 2\.7"):
        run_bundle(bundle[0])


def test_a_folder_without_a_bundle_has_no_keys(tmp_path):
    assert read_keys(tmp_path) == []
    (tmp_path / MANIFEST).write_text("{")
    assert read_keys(tmp_path) == []
