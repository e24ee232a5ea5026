"""Where results go: memory, one file, or one file for each input file."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from ase import Atoms

from .nesting import nesting_text
from .sequence import Frames
from .sidecars import Sidecar, digest_of, write_sidecar_parts
from .sinks import FileSink, MemorySink, entries_of, is_group
from .snapshot import copy_frame
from .textfiles import TEXT_SUFFIXES, TextWriter
from .values import to_json
from .writer import FramesWriter

H5MD_SUFFIXES: Final = (".h5", ".h5md")

PROVENANCE: Final = "zn_provenance"
"""Key of `Atoms.info` that says where a result is from: a dict with the ``key`` of the result in
hexadecimal, and ``file`` and ``position`` of the input, see `Frames.origin`."""


class FramesOutput:
    """Where results go, and whether they are there already.

    Parameters
    ----------
    target
        - None: memory.
        - A file ``.h5`` or ``.h5md`` (H5MD), ``.xyz`` or ``.extxyz`` (extended XYZ).
        - A file for each input file: a folder (it exists, or ends in ``/``) for
          ``folder/{stem}.h5``, or a pattern such as ``"done/{parent}_{stem}.xyz"``. ``{stem}``,
          ``{name}`` and ``{parent}`` are of the input file, ``{index}`` is the position of the
          group; groups in no file are called by their position.
    tags
        Put into `Atoms.info` of all results, over what is there.
    provenance
        Whether `write_results` puts `PROVENANCE` into `Atoms.info`.

    Raises
    ------
    ValueError
        The ending of the target is unknown.
    TypeError
        A tag cannot be stored.

    Notes
    -----
    Results are the same, in every number and type, wherever they are stored. All files of a set
    appear together, after the last result: they are written under other names before. Of two
    writers, the set of the one that ends last stays. Beside each file, ``<file>.keys`` tells what
    it was made from, see `sidecars`.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | None = None,
        *,
        tags: Mapping[str, Any] | None = None,
        provenance: bool = False,
    ) -> None:
        self.target = None if target is None else os.fspath(target)
        self.tags = dict(tags or {})
        self.provenance = provenance
        if self.target is not None:
            if self.target.endswith("/") or Path(self.target).is_dir():
                self.target = f"{self.target.rstrip('/')}/{{stem}}.h5"
            _sink_class(self.target)
        for key, value in self.tags.items():
            try:
                to_json(value)
            except TypeError as error:
                raise TypeError(f"tag {key!r}: {error}") from error

    def __repr__(self) -> str:
        return f"<output to {self.target or 'memory'}>"

    @classmethod
    def from_any(cls, output: FramesOutput | str | os.PathLike[str] | None) -> FramesOutput:
        """An output as it is, or that of a target."""
        return output if isinstance(output, FramesOutput) else cls(output)

    @property
    def per_file(self) -> bool:
        """Whether there is a file for each input file."""
        return self.target is not None and "{" in self.target

    def files(self, inputs: Frames | None = None) -> list[Path]:
        """Files that are written for `inputs`, which only targets for each file need.

        Raises
        ------
        ValueError
            Two input files would have the same output file, or the pattern is wrong.
        """
        if self.target is None:
            return []
        if not self.per_file:
            return [Path(self.target)]
        names = [group.name for group in _file_groups(self._needed(inputs))]
        files = [_fill_in(self.target, name, index) for index, name in enumerate(names)]
        for number, file in enumerate(files):
            other = files.index(file)
            if other < number:
                raise ValueError(
                    f"each input file must have its own output file, received {file} for both "
                    f"{names[other]} and {names[number]}; add {{parent}} or {{index}} to the target"
                )
        return files

    def frames(self, inputs: Frames | None = None) -> Frames:
        """What was written.

        Raises
        ------
        ValueError
            The target is memory: only `write` itself can return that.
        """
        if self.target is None:
            raise ValueError(
                "frames must be read from a target that is a file, received memory; keep what "
                "`write` returns"
            )
        files = [str(file) for file in self.files(inputs)]
        if not self.per_file or (inputs is not None and inputs.name):
            return Frames(files[0])
        return Frames(files)

    def is_current(
        self, keys: Iterable[bytes], *, inputs: Frames | None = None, verify: bool = False
    ) -> bool:
        """Whether the files are there, undamaged, and made from these keys, tags and groups.

        Only size and time of the files are looked at; if just the time differs, for instance after
        a copy, their content. Always False for memory.

        Parameters
        ----------
        keys
            Keys of the results, in order.
        inputs
            As given to `write`.
        verify
            Look at the content in any case.
        """
        if self.target is None:
            return False
        made_from = self._made_from(keys, inputs)
        together: set[str] = set()
        for file in self.files(inputs):
            sidecar = Sidecar.read(file)
            if sidecar is None or sidecar.made_from != made_from:
                return False
            together.add(sidecar.written_with)
            if len(together) > 1 or not sidecar.matches(file, verify=verify):
                return False
        return True

    def write(
        self, groups: Iterable[Any], keys: Iterable[bytes] = (), *, inputs: Frames | None = None
    ) -> Frames:
        """Write results as they come, and give them back as `Frames`.

        Parameters
        ----------
        groups
            Structures, and iterables of structures for groups, nested to any depth. With a file
            for each input file, one iterable for each of them. Gone through once; no more than a
            few hundred structures are held, unless the target is memory.
        keys
            Keys of the results, in order; gone through after `groups`.
        inputs
            What the results were made from. Needed for a file for each input file; elsewhere, if
            given, results count as current only for inputs with the same groups.

        Raises
        ------
        ValueError
            There are more or fewer groups than input files.
        """
        if self.target is None:
            memory = MemorySink()
            memory.extend(self._tagged(groups))
            return Frames.from_source(memory.source())
        files = self.files(inputs)
        contents: Iterable[Any] = groups if self.per_file else [groups]
        sinks: list[FileSink] = []
        try:
            for file, content in _paired(files, contents):
                sinks.append(_sink_class(str(file))(file))
                sinks[-1].extend(self._tagged(content))
                sinks[-1].finish()
            self._publish(sinks, list(keys), inputs)
        except BaseException:
            for sink in sinks:
                sink.discard()
            raise
        return self.frames(inputs)

    def write_results(
        self, inputs: Frames, results: Iterable[Any], keys: Sequence[bytes] = ()
    ) -> Frames:
        """Write the results of each input structure where that structure was: file and group.

        Parameters
        ----------
        inputs
            The input structures.
        results
            For each of them a structure, a list of structures, which becomes a group, or None.
        keys
            Keys of the results, one for each input structure if `provenance` is asked for;
            others may follow.

        Raises
        ------
        ValueError
            There are more or fewer results than input structures.
        """
        stamped = self._stamped(inputs, results, keys) if self.provenance else iter(results)
        if self.per_file:
            arranged = (group.arrange(stamped) for group in _file_groups(inputs))
        else:
            arranged = inputs.arrange(stamped)
        return self.write(_exhausted(arranged, stamped), keys, inputs=inputs)

    def _publish(self, sinks: list[FileSink], keys: list[bytes], inputs: Frames | None) -> None:
        files = [(sink.part, sink.path) for sink in sinks]
        sidecars = write_sidecar_parts(files, keys, self._made_from(keys, inputs))
        try:
            with _alone([file for _, file in files]):
                for sink in sinks:
                    sink.publish()
                for part, target in sidecars:
                    part.replace(target)
        finally:
            for part, _ in sidecars:
                part.unlink(missing_ok=True)

    def _tagged(self, entries: Iterable[Any]) -> Iterable[Any]:
        return self._with_tags(entries) if self.tags else entries

    def _with_tags(self, entries: Iterable[Any]) -> Iterator[Any]:
        for entry in entries_of(entries):
            if isinstance(entry, Atoms):
                yield _with_info(entry, self.tags)
            else:
                yield self._with_tags(entry) if is_group(entry) else entry

    def _stamped(
        self, inputs: Frames, results: Iterable[Any], keys: Sequence[bytes]
    ) -> Iterator[Any]:
        for row, (result, key) in enumerate(zip(results, keys[: len(inputs)], strict=True)):
            file, position = inputs.origin(row)
            stamp = {PROVENANCE: {"key": key.hex(), "file": file, "position": position}}
            if result is None or isinstance(result, Atoms):
                yield _with_info(result, stamp) if result is not None else None
            else:
                yield [_with_info(atoms, stamp) for atoms in result]

    def _made_from(self, keys: Iterable[bytes], inputs: Frames | None) -> str:
        nesting = inputs.nesting() if inputs is not None else None
        settings = {
            "tags": to_json(self.tags),
            "provenance": self.provenance,
            "groups": nesting_text(nesting) if nesting is not None else "",
        }
        text = json.dumps(settings, sort_keys=True).encode()
        return digest_of([text, digest_of(keys).encode()])

    def _needed(self, inputs: Frames | None) -> Frames:
        if inputs is None:
            raise ValueError(
                f"inputs must be given to write one file for each input file to {self.target}, "
                "received None; give inputs=frames, or a target that is one file"
            )
        return inputs


def _file_groups(inputs: Frames) -> Iterator[Frames]:
    """Frames of each input file: one file as a whole, else the entries of the top level."""
    return iter([inputs]) if inputs.name else inputs.groups()


def _fill_in(pattern: str, name: str, index: int) -> Path:
    path = Path(name)
    try:
        filled = pattern.format(
            stem=path.stem, name=path.name, parent=path.parent.name, index=index
        )
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(
            "an output pattern must have no fields but {stem}, {name}, {parent} and {index}, "
            f"received {pattern!r}; correct it"
        ) from error
    return Path(filled)


def _sink_class(path: str) -> type[FramesWriter | TextWriter]:
    suffix = Path(path).suffix.lower()
    if suffix in H5MD_SUFFIXES:
        return FramesWriter
    if suffix in TEXT_SUFFIXES:
        return TextWriter
    raise ValueError(
        f"an output must end in .h5, .h5md, .xyz or .extxyz, or be a folder, received {path!r}; "
        "end the name of a new folder with a slash"
    )


def _paired(files: list[Path], contents: Iterable[Any]) -> Iterator[tuple[Path, Any]]:
    rest = iter(contents)
    for number, file in enumerate(files):
        content = next(rest, None)
        if content is None:
            raise ValueError(
                f"groups must be one for each of {len(files)} output files, received {number}; "
                "give an empty list for a file without results"
            )
        yield file, content
    if next(rest, None) is not None:
        raise ValueError(
            f"groups must be one for each of {len(files)} output files, received more; give the "
            "inputs that the results belong to"
        )


def _exhausted(entries: Iterable[Any], results: Iterator[Any]) -> Iterator[Any]:
    yield from entries
    if next(results, results) is not results:
        raise ValueError("results must be one for each input structure, received more")


def _with_info(atoms: Atoms, info: Mapping[str, Any]) -> Atoms:
    twin = copy_frame(atoms)
    twin.info.update(info)
    return twin


@contextmanager
def _alone(files: list[Path]) -> Generator[None]:
    """Hold a lock on the folders of `files`, so that sets of files are not mixed."""
    handles: list[int] = []
    try:
        for folder in sorted({file.parent.absolute() for file in files}):
            handles.append(os.open(folder, os.O_RDONLY))
            with suppress(OSError):  # file systems without locks
                fcntl.flock(handles[-1], fcntl.LOCK_EX)
        yield
    finally:
        for handle in handles:
            os.close(handle)
