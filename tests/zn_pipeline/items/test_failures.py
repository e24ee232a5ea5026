"""Files of what failed."""

import json

import zn_pipeline as zn


def test_files_come_and_go(counting, structures, store, tmp_path):
    options = {"store": store, "on_error": "record", "failures_out": tmp_path / "failed"}
    zn.map(counting.picky, structures, **options)
    [line] = (tmp_path / "failed" / "failures.jsonl").read_text().splitlines()
    assert json.loads(line)["row"] == 3
    assert [atoms.info["name"] for atoms in zn.Frames(tmp_path / "failed" / "failed.h5")] == [3]
    zn.map(counting.picky, structures[:3], **options)
    assert not list((tmp_path / "failed").iterdir())
