import pytest

from zn_pipeline.errors import MissingExtraError, RemoteError
from zn_pipeline.store.remote_files import RemoteFiles
from zn_pipeline.store.repository import Repository


@pytest.fixture
def add_remote(tmp_project):
    def add(name: str, url: str, *, default: bool = False) -> None:
        config = tmp_project.path / ".dvc" / "config"
        core = f"[core]\n    remote = {name}\n" if default else "[core]\n"
        text = config.read_text().replace("[core]\n", core)
        config.write_text(f"{text}['remote \"{name}\"']\n    url = {url}\n")

    return add


def test_files_go_to_a_remote_and_come_back(tmp_project, add_remote, tmp_path_factory):
    place = tmp_path_factory.mktemp("remote")
    add_remote("storage", str(place), default=True)
    remote = RemoteFiles(Repository.find(), "zn/items")
    assert remote.sizes() == {}
    tmp_project.write("a.txt", "content")
    remote.put(tmp_project.path / "a.txt", "b.seg")
    assert remote.sizes() == {"b.seg": 7}
    assert (place / "zn" / "items" / "b.seg").read_text() == "content"
    (place / "zn" / "items" / "folder").mkdir()
    assert remote.sizes() == {"b.seg": 7}
    remote.get("b.seg", tmp_project.path / "c.txt")
    assert (tmp_project.path / "c.txt").read_text() == "content"
    tmp_project.write("a.txt", "longer content")
    remote.put(tmp_project.path / "a.txt", "b.seg")
    assert remote.sizes() == {"b.seg": 14}


def test_a_remote_by_name_and_relative_to_the_settings(tmp_project, add_remote):
    add_remote("near", "../storage")
    tmp_project.write("a.txt", "content")
    RemoteFiles(Repository.find(), "x", "near").put(tmp_project.path / "a.txt", "b")
    assert (tmp_project.path / "storage" / "x" / "b").read_text() == "content"


def test_no_remote(tmp_project):
    with pytest.raises(RemoteError, match="must be given or be the default one, received none"):
        RemoteFiles(Repository.find(), "x")
    with pytest.raises(RemoteError, match="'nothing' must be usable"):
        RemoteFiles(Repository.find(), "x", "nothing")


def test_a_kind_of_storage_that_is_not_installed(tmp_project, add_remote):
    add_remote("hdfs", "hdfs://somewhere/x")
    with pytest.raises(MissingExtraError, match="'hdfs' must have its package"):
        RemoteFiles(Repository.find(), "x", "hdfs")


def test_a_remote_that_fails(tmp_project, add_remote):
    tmp_project.write("file", "in the way")
    add_remote("storage", "../file", default=True)
    remote = RemoteFiles(Repository.find(), "x")
    with pytest.raises(RemoteError, match="must take files"):
        remote.put(tmp_project.path / "file", "b")
    with pytest.raises(RemoteError, match="must give files"):
        remote.get("b", tmp_project.path / "c")


def test_settings_that_cannot_be_read(tmp_project):
    (tmp_project.path / ".dvc" / "config").write_text("[core\n")
    with pytest.raises(RemoteError, match="settings of DVC must be readable"):
        RemoteFiles(Repository.find(), "x")
