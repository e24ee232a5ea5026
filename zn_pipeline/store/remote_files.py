"""Plain files in a folder of a DVC remote, on whatever storage DVC speaks to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zn_pipeline.errors import MissingExtraError, RemoteError
from zn_pipeline.store.repository import Repository


class RemoteFiles:
    """A folder on a DVC remote.

    Parameters
    ----------
    repository : whose settings name the remote
    folder : path inside of the remote, with ``/``
    name : of the remote; None for the default one

    Raises
    ------
    RemoteError
        If there is no such remote, or it cannot be reached.
    MissingExtraError
        If the package for its kind of storage is not installed.
    """

    def __init__(self, repository: Repository, folder: str, name: str | None = None) -> None:
        from dvc.config import Config, ConfigError, NoRemoteError, RemoteNotFoundError
        from dvc.fs import get_cloud_fs
        from dvc_objects.fs.errors import RemoteMissingDepsError

        try:
            config = Config(dvc_dir=str(repository.dvc_root / ".dvc"), validate=False)
        except ConfigError as error:
            raise RemoteError(
                f"the settings of DVC must be readable, but are not: {error}"
            ) from None
        name = name or config["core"].get("remote")
        if not name:
            raise RemoteError(
                "a DVC remote must be given or be the default one, received none; say "
                "'dvc remote add --default NAME URL' once, or name one with -r"
            )
        try:
            found: Any = get_cloud_fs(config, name=name)
            kind, settings, path = found
            self._fs: Any = kind(**settings)
        except (RemoteMissingDepsError, ImportError) as error:
            raise MissingExtraError(
                f"the storage of the DVC remote {name!r} must have its package: {error}"
            ) from None
        except (ConfigError, NoRemoteError, RemoteNotFoundError) as error:
            raise RemoteError(f"DVC remote {name!r} must be usable, but is not: {error}") from None
        self.name = str(name)
        self._path: str = self._fs.join(path, *folder.split("/"))

    def sizes(self) -> dict[str, int]:
        """Return the sizes of the files in the folder (bytes) by name; none if it is not there."""
        try:
            entries = self._fs.ls(self._path, detail=True)
        except FileNotFoundError:
            return {}
        except Exception as error:
            raise self._failed("be read", error) from error
        files = [entry for entry in entries if entry.get("type") == "file"]
        return {self._fs.name(entry["name"]): int(entry["size"]) for entry in files}

    def put(self, file: Path, name: str) -> None:
        """Upload a file."""
        try:
            self._fs.makedirs(self._path, exist_ok=True)
            self._fs.put_file(str(file), self._fs.join(self._path, name))
        except Exception as error:
            raise self._failed("take files", error) from error

    def get(self, name: str, file: Path) -> None:
        """Download a file."""
        try:
            self._fs.get_file(self._fs.join(self._path, name), str(file))
        except Exception as error:
            raise self._failed("give files", error) from error

    def _failed(self, what: str, error: Exception) -> RemoteError:
        return RemoteError(
            f"the DVC remote {self.name!r} must {what}, received {type(error).__name__}: {error}; "
            "'dvc status --cloud' shows whether it can be reached"
        )
