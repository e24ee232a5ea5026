"""What a file of frames was made from: ``<file>.keys`` beside it.

The first line is JSON: size, modification time and digest of the file, and digests of the set of
files that was written together with it. The lines after it are the keys of the results, in order,
in hexadecimal; of several files that were written together, the first has them.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

_FORMAT: Final = 1
_BLOCK: Final = 2**20


@dataclass(frozen=True, slots=True)
class Sidecar:
    """First line of a sidecar.

    Attributes
    ----------
    size, mtime_ns, blake2b
        Of the file: bytes, nanoseconds since the epoch, hexadecimal digest of its content.
    made_from
        Digest of the keys and settings that the whole set was made from, see `digest_of`.
    written_with
        The same for all files that were written together, and for no others.
    keys_in
        Name of the sidecar that has the keys, relative to this one; "" if it is this one.
    """

    size: int
    mtime_ns: int
    blake2b: str
    made_from: str
    written_with: str
    keys_in: str = ""
    format: int = _FORMAT

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """Sidecar of `file`, None if there is none, or none that can be read."""
        try:
            with sidecar_path(file).open(encoding="ascii") as lines:
                sidecar = cls(**json.loads(lines.readline()))
        except (OSError, ValueError, TypeError):
            return None
        return sidecar if sidecar.format == _FORMAT else None

    def matches(self, file: Path, *, verify: bool = False) -> bool:
        """Whether `file` is what was written: same size, and same time or same content.

        Parameters
        ----------
        file
            The file of frames.
        verify
            Look at the content even if size and time are the same.
        """
        try:
            status = file.stat()
        except OSError:
            return False
        if status.st_size != self.size:
            return False
        if status.st_mtime_ns == self.mtime_ns and not verify:
            return True
        return content_digest(file) == self.blake2b


def sidecar_path(file: Path) -> Path:
    """Where the sidecar of `file` is."""
    return file.with_name(f"{file.name}.keys")


def read_keys(file: str | os.PathLike[str]) -> list[bytes]:
    """Keys of the results that `file`, and what was written with it, was made from, in order.

    Raises
    ------
    FileNotFoundError
        The file has no sidecar.
    """
    path = sidecar_path(Path(file))
    sidecar = Sidecar.read(Path(file))
    if sidecar is not None and sidecar.keys_in:
        path = path.parent / sidecar.keys_in
    if sidecar is None or not path.exists():
        raise FileNotFoundError(
            f"{file} must have been written with its keys, but {path} is missing or damaged; "
            "write the file again"
        )
    with path.open(encoding="ascii") as lines:
        next(lines)
        return [bytes.fromhex(line) for line in lines]


def write_sidecar_parts(
    files: Sequence[tuple[Path, Path]], keys: Iterable[bytes], made_from: str
) -> list[tuple[Path, Path]]:
    """Sidecars of files that are complete but not in place yet, under temporary names too.

    Parameters
    ----------
    files
        For each file, where it is now and where it will be.
    keys
        Keys of all results, in order.
    made_from
        See `Sidecar`.

    Returns
    -------
    list
        The same for the sidecars.
    """
    token = secrets.token_hex(8)
    moves: list[tuple[Path, Path]] = []
    for part, file in files:
        status, target = part.stat(), sidecar_path(file)
        first = moves[0][1] if moves else target
        shared = os.path.relpath(first, target.parent) if moves else ""
        digest = content_digest(part)
        head = Sidecar(status.st_size, status.st_mtime_ns, digest, made_from, token, shared)
        place = target.with_name(f".{target.name}.{token}.part")
        with place.open("x", encoding="ascii") as lines:
            lines.write(json.dumps(asdict(head), sort_keys=True) + "\n")
            if not moves:
                lines.writelines(f"{key.hex()}\n" for key in keys)
        moves.append((place, target))
    return moves


def content_digest(file: Path) -> str:
    """Digest of the content of a file, hexadecimal."""
    digest = hashlib.blake2b(digest_size=20)
    with file.open("rb") as content:
        while block := content.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def digest_of(parts: Iterable[bytes]) -> str:
    """Digest of a sequence of byte strings, hexadecimal."""
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
