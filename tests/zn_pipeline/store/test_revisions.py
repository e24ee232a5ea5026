from pathlib import Path

import pytest

from zn_pipeline.errors import RemoteError
from zn_pipeline.store.revisions import GitRepository, local_path, open_git, user_cache


@pytest.mark.parametrize(
    ("remote", "path"),
    [
        ("a/b", "a/b"),
        ("/a/b", "/a/b"),
        ("file:///a/b", "/a/b"),
        ("https://example.org/a", None),
        ("ssh://example.org/a", None),
        ("git@example.org:a/b", None),
        ("odd:name", "odd:name"),
    ],
)
def test_what_a_remote_is(remote, path):
    assert local_path(remote) == (None if path is None else Path(path))


@pytest.fixture
def repository(tmp_project):
    tmp_project.write("file.txt", "one")
    tmp_project.write("sub/inner.txt", "in")
    tmp_project.commit("one")
    tmp_project.git("tag", "v1")
    tmp_project.git("tag", "--annotate", "v1a", "--message", "text")
    tmp_project.git("branch", "side/branch")
    tmp_project.write("file.txt", "two")
    tmp_project.commit("two")
    return GitRepository(tmp_project.path, "here")


@pytest.mark.parametrize("rev", ["v1", "v1a", "side/branch", "HEAD~1"])
def test_names_of_one_commit(repository, tmp_project, rev):
    commit = repository.commit(rev)
    assert commit == tmp_project.git("rev-parse", "v1").strip()
    assert repository.commit(commit[:8]) == commit
    assert repository.read(commit, "file.txt") == b"one"
    assert repository.read(repository.commit("HEAD"), "file.txt") == b"two"
    assert repository.read(commit, "nothing") is None
    assert repository.read(commit, "sub") is None


def test_names_of_experiments(repository, tmp_project):
    old = tmp_project.git("rev-parse", "v1").strip()
    head = tmp_project.git("rev-parse", "HEAD").strip()
    tmp_project.git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/fizzy-fox", old)
    assert repository.commit("fizzy-fox") == old


def test_an_unknown_name_is_an_error(repository):
    with pytest.raises(RemoteError, match="or DVC experiment of here, received 'v9'"):
        repository.commit("v9")


def test_a_folder_inside_is_a_project_of_its_own(repository, tmp_project):
    inner = GitRepository(tmp_project.path / "sub", "sub")
    assert inner.read(inner.commit("HEAD"), "inner.txt") == b"in"
    assert inner.read(inner.commit("HEAD"), "file.txt") is None


def test_no_repository_is_an_error(tmp_path: Path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RemoteError, match="remote must be a Git repository, received"):
            GitRepository(folder, str(folder))


def test_a_url_is_cloned_once_and_fetched(repository, tmp_project, tmp_path_factory, monkeypatch):
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    assert user_cache() == cache / "zn_pipeline"
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{tmp_project.path}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "ssh://example.org/repository")
    open_git.cache_clear()
    clone = open_git("ssh://example.org/repository")
    assert clone.read(clone.commit("v1"), "file.txt") == b"one"
    tmp_project.write("file.txt", "three")
    newer = tmp_project.commit("three")
    assert clone.read(clone.commit(newer), "file.txt") == b"three"
    open_git.cache_clear()
    again = open_git("ssh://example.org/repository")
    assert again.commit("main") == newer
    assert len(list((cache / "zn_pipeline" / "clones").iterdir())) == 1
    open_git.cache_clear()


def test_an_unreachable_url_is_an_error(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file")
    with pytest.raises(RemoteError, match="path or URL of a Git repository, received 'ssh:"):
        open_git("ssh://nowhere.invalid/x")
