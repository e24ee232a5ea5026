import json

import pytest

from zn_pipeline.records import FileHash, Kind, RunReport, StageReport, StageResult, Status


def test_kinds_know_what_they_are():
    outputs = {kind for kind in Kind if kind.is_output}
    assert outputs == {
        Kind.OUTS, Kind.METRICS, Kind.PLOTS, Kind.OUTS_PATH, Kind.METRICS_PATH, Kind.PLOTS_PATH
    }  # fmt: skip
    assert {kind for kind in Kind if kind.is_path} == {k for k in Kind if k.name.endswith("_PATH")}


@pytest.mark.parametrize(
    ("content", "entry"),
    [
        (FileHash("ab", 3), {"path": "p", "hash": "md5", "md5": "ab", "size": 3}),
        (
            FileHash("ab.dir", 3, 2),
            {"path": "p", "hash": "md5", "md5": "ab.dir", "size": 3, "nfiles": 2},
        ),
        (
            FileHash("ab", 3, isexec=True),
            {"path": "p", "hash": "md5", "md5": "ab", "size": 3, "isexec": True},
        ),
    ],
)
def test_lock_entries_of_files(content, entry):
    assert content.lock_entry("p") == entry
    assert FileHash.from_lock(entry) == content


def test_another_hash_is_not_understood():
    assert FileHash.from_lock({"path": "p", "etag": "x"}) is None


def test_results_survive_json():
    result = StageResult(
        "a", "key", {"p": FileHash("m.dir", 1, 1)}, {"p": [{"md5": "m", "relpath": "r"}]}
    )
    assert StageResult.from_json(json.loads(json.dumps(result.to_json()))) == result
    failed = StageResult("a", "key", error="E: x", traceback="...", seconds=1.5)
    assert StageResult.from_json(json.loads(json.dumps(failed.to_json()))) == failed
    assert result.ok
    assert not failed.ok


def test_reports_sort_stages_by_what_became_of_them():
    stages = {status.value: StageReport(status.value, status) for status in Status}
    report = RunReport(stages)
    for status in Status:
        assert getattr(report, status.value) == [status.value]
    assert not report.ok
    assert not RunReport({"s": stages["skipped"]}).ok
    assert RunReport({"s": stages["done"], "r": stages["restored"]}).ok
