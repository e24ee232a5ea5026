import sqlite3

import pytest

from zn_pipeline.items.database import (
    is_broken,
    is_network_disk,
    open_database,
    remove_database,
    transaction,
)

TABLES = "CREATE TABLE t(x INT CHECK(typeof(x) = 'integer')); CREATE TABLE u(x INT)"


def test_tables_are_made_once_and_again_for_another_version(tmp_path):
    file = tmp_path / "folder" / "d.sqlite"
    db = open_database(file, 1, TABLES)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.execute("INSERT INTO t VALUES(1)")
    other = open_database(file, 1, TABLES)
    assert other.execute("SELECT x FROM t").fetchall() == [(1,)]
    newer = open_database(file, 2, "CREATE TABLE v(x INT)")
    assert newer.execute("SELECT name FROM sqlite_master").fetchall() == [("v",)]
    for item in (db, other, newer):
        item.close()


def test_a_transaction_is_all_or_nothing(tmp_path):
    db = open_database(tmp_path / "d", 1, TABLES)
    with pytest.raises(sqlite3.IntegrityError), transaction(db):
        db.executemany("INSERT INTO t VALUES(?)", [(1,), ("text",)])
    assert db.execute("SELECT * FROM t").fetchall() == []
    db.close()


def test_a_log_without_its_database_is_not_used(tmp_path):
    file = tmp_path / "d"
    db = open_database(file, 1, TABLES)
    db.execute("INSERT INTO t VALUES(1)")
    file.unlink()
    assert file.with_name("d-wal").exists()
    fresh = open_database(file, 1, TABLES)
    assert fresh.execute("SELECT * FROM t").fetchall() == []
    db.close()
    fresh.close()
    remove_database(file)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_file_is_told_from_a_busy_one(tmp_path):
    (tmp_path / "d").write_bytes(b"no database at all" * 100)
    with pytest.raises(sqlite3.DatabaseError) as error:
        open_database(tmp_path / "d", 1, TABLES)
    assert is_broken(error.value)
    assert not is_broken(sqlite3.OperationalError("database is locked"))


def test_network_disks_are_known(tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda1 / ext4 rw 0 0\n"
        f"server:/x {tmp_path}/net nfs4 rw 0 0\n"
        f"/dev/sdb1 {tmp_path}/net/local xfs rw 0 0\nbroken\n"
    )
    assert is_network_disk(tmp_path / "net", mounts)
    assert is_network_disk(tmp_path / "net" / "deep" / "er", mounts)
    assert not is_network_disk(tmp_path / "net" / "local", mounts)
    assert not is_network_disk(tmp_path / "network", mounts)
    assert not is_network_disk(tmp_path, tmp_path / "nothing")
    monkeypatch.setattr("zn_pipeline.items.database.is_network_disk", lambda folder: True)
    db = open_database(tmp_path / "d", 1, TABLES)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    db.close()
