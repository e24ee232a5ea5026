import json

from dvc.stage.cache import _get_cache_hash

from zn_pipeline.records import FileHash
from zn_pipeline.store.index import ResultIndex, run_key

ENTRY = {
    "cmd": "zn-pipeline run A",
    "deps": [{"path": "a", "hash": "md5", "md5": "1" * 32, "size": 3}],
    "params": {"params.yaml": {"A": {"x": 0.1, "t": [1, "é"]}}},
    "outs": [{"path": "o", "hash": "md5", "md5": "2" * 32 + ".dir", "size": 5, "nfiles": 2}],
}


def test_results_by_key(tmp_path):
    index = ResultIndex(tmp_path)
    assert index.get("ab12") is None
    outs = {"out.json": FileHash("m", 3), "folder": FileHash("n.dir", 4, 2)}
    index.put("ab12", outs)
    index.flush()
    assert ResultIndex(tmp_path).get("ab12") == outs
    index.put("ab12", {})
    assert index.get("ab12") == outs, "the first result of a key stays"


def test_a_broken_result_is_no_result(tmp_path):
    index = ResultIndex(tmp_path)
    index.put("ab12", {})
    index.flush()
    (file,) = (f for f in tmp_path.rglob("*") if f.is_file())
    file.write_text('ab12\t{"out.json": {"md')
    index = ResultIndex(tmp_path)
    assert index.get("ab12") is None
    index.put("cd34", {"o": FileHash("m", 3)})
    index.flush()
    assert ResultIndex(tmp_path).get("cd34") == {"o": FileHash("m", 3)}


def test_keys_are_those_of_dvc(tmp_path):
    """Compared with the functions by which DVC itself computes them."""
    outs = [out["path"] for out in ENTRY["outs"]]
    assert run_key(ENTRY) == _get_cache_hash({**ENTRY, "outs": outs})
    index = ResultIndex(tmp_path)
    index.put_run(ENTRY)
    key = run_key(ENTRY)
    (file,) = (tmp_path / "runs" / key[:2] / key).iterdir()
    assert file.name == _get_cache_hash(ENTRY)
    assert json.loads(file.read_text()) == ENTRY
    assert index.get_run({**ENTRY, "outs": [{"path": "o"}]}) == ENTRY
    assert index.get_run({**ENTRY, "cmd": "other", "outs": []}) is None
