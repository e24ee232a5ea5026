"""Pools: the places where work runs, as ``pools.toml`` at the project's root names them."""

from __future__ import annotations

import fnmatch
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from zn_pipeline.errors import PipelineError
from zn_pipeline.naming import POOLS_FILE, suggest
from zn_pipeline.queues.environment import worker_environment as worker_environment
from zn_pipeline.resources import Resources

LOCAL = "local"

Kind = Literal["local", "slurm", "sge", "pbs"]
Mode = Literal["processes", "dask", "detached"]
Positive = Annotated[float, Field(gt=0)]


class PoolError(PipelineError):
    """``pools.toml`` does not hold what it must."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Demand(_Model):
    """What to ask for instead; what is not given stays as it was.

    Attributes
    ----------
    memory_gib : GiB
    walltime_minutes : minutes
    """

    cpus: Annotated[int, Field(ge=1)] | None = None
    gpus: Annotated[int, Field(ge=0)] | None = None
    memory_gib: Positive | None = None
    walltime_minutes: Positive | None = None


class SshSettings(_Model):
    """The machine that a pool's queue is spoken to from.

    Attributes
    ----------
    host : anything that ``ssh`` accepts
    config_file : file for ``ssh -F``; from the project's root unless it is absolute
    folder : work folder there; from the home folder unless it is absolute
    login_shell : run commands in a login shell, where the queue's commands need its settings
    """

    host: Annotated[str, Field(min_length=1, pattern=r"^[^-\s]\S*$")]
    config_file: str | None = None
    folder: Annotated[str, Field(min_length=1)] = "zn_pipeline"
    login_shell: bool = False


class Pool(_Model):
    """One place where work runs.

    Attributes
    ----------
    kind : the queue: ``local`` is this machine, or the one behind `ssh`
    mode : ``detached`` batch jobs that need no driver, ``dask`` workers as batch jobs, or, for
        ``local``, ``processes`` of the driver
    partition, queue, account : where the queue has such things
    extra : further options, put behind the queue's prefix: ``["--constraint=skylake"]``
    directives : whole lines for the head of the job script
    parallel_environment : of Grid Engine, for more than one core
    workers : how many jobs, or workers, run at once
    items_per_job : how many items of a map one job gets
    cpus, gpus, memory_gib, walltime_minutes : what one worker has
    setup : shell lines before the work
    environment : variables of the work
    python : interpreter there; this one unless given
    retry_resources : demands for the second attempt, the third, ... after a failure of the machine
    poll_seconds : pause between two questions to the queue
    interface : network interface of Dask; loopback unless given
    """

    name: str = LOCAL
    kind: Kind
    mode: Mode = "detached"
    partition: str | None = None
    queue: str | None = None
    account: str | None = None
    extra: tuple[str, ...] = ()
    directives: tuple[str, ...] = ()
    parallel_environment: str = "smp"
    workers: Annotated[int, Field(ge=1)] = 1
    items_per_job: Annotated[int, Field(ge=1)] = 50
    cpus: Annotated[int, Field(ge=1)] = 1
    gpus: Annotated[int, Field(ge=0)] = 0
    memory_gib: Positive | None = None
    walltime_minutes: Positive | None = None
    setup: tuple[str, ...] = ()
    environment: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], str] = {}
    python: str = sys.executable
    retry_resources: tuple[Demand, ...] = ()
    poll_seconds: Positive = 10.0
    interface: str | None = None
    ssh: SshSettings | None = None

    @model_validator(mode="before")
    @classmethod
    def _default_mode(cls, values: Any) -> Any:
        if isinstance(values, dict) and "mode" not in values and "ssh" not in values:
            return {**values, "mode": "processes" if values.get("kind") == "local" else "detached"}
        return values

    @model_validator(mode="after")
    def _mode_fits(self) -> Self:
        if self.mode == "processes" and (self.kind != "local" or self.ssh is not None):
            raise ValueError("mode 'processes' must be of kind 'local' and without ssh")
        if self.mode == "dask" and self.ssh is not None:
            raise ValueError("mode must be 'detached' for a pool behind ssh, received 'dask'")
        return self

    @property
    def resources(self) -> Resources:
        """What one worker has."""
        return Resources(
            cpus=self.cpus,
            gpus=self.gpus,
            memory_gib=self.memory_gib,
            walltime_minutes=self.walltime_minutes,
        )

    def demand(self, resources: Resources | None = None, *, attempt: int = 1) -> Resources:
        """Return what a job asks for: what the pool says merged with what the work says.

        Parameters
        ----------
        attempt : 1 for the first; later ones get the entries of `retry_resources` on top, the last
            entry again and again
        """
        asked = self.resources if resources is None else self.resources.merge(resources)
        if attempt > 1 and self.retry_resources:
            more = self.retry_resources[min(attempt - 2, len(self.retry_resources) - 1)]
            asked = asked.merge(Resources(**_given(more)))
        return asked


class Pools(_Model):
    """All pools of a project, and which work goes where.

    Attributes
    ----------
    assign : patterns of stage names, or of ``map:NAME``, and the pools that they lead to
    """

    pools: dict[str, Pool] = {}
    assign: dict[str, str] = {}

    def pool(self, name: str) -> Pool:
        """Return a pool; ``local`` is always there.

        Raises
        ------
        PoolError
            If there is no pool of that name.
        """
        if name in self.pools:
            return self.pools[name]
        if name == LOCAL:
            return Pool(name=LOCAL, kind="local")
        raise PoolError(
            f"a pool must be one of {POOLS_FILE}, received {name!r}"
            f"{suggest(name, [*self.pools, LOCAL])}"
        )

    def assigned(self, name: str) -> Pool | None:
        """Return the pool of a stage, or of a map by ``map:NAME``; the first pattern wins."""
        for pattern, pool in self.assign.items():
            if fnmatch.fnmatchcase(name, pattern):
                return self.pool(pool)
        return None


def read_pools(root: Path) -> Pools:
    """Read ``pools.toml`` of a project; without the file there is the pool ``local`` alone.

    Raises
    ------
    PoolError
        If the file is no TOML, or holds a key or value that it must not; the message names file,
        line and key.
    """
    path = root / POOLS_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Pools()
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PoolError(f"{path} must be TOML, received: {error}") from None
    pools = content.get("pools", {})
    if isinstance(pools, dict):
        for name, settings in pools.items():
            if isinstance(settings, dict):
                content["pools"][name] = _named(name, settings, root)
    try:
        read = Pools.model_validate(content)
    except ValidationError as error:
        raise PoolError(_message(path, text, error)) from None
    for pattern, name in read.assign.items():
        try:
            read.pool(name)
        except PoolError as error:
            raise PoolError(f"{_place(path, text, ('assign', pattern))}: {error}") from None
    return read


def _named(name: str, settings: dict[str, Any], root: Path) -> dict[str, Any]:
    """Return the settings of a pool with its name, and paths from the project's root."""
    settings = {"name": name, **settings}
    ssh = settings.get("ssh")
    if isinstance(ssh, dict) and isinstance(ssh.get("config_file"), str):
        config = str(root / Path(ssh["config_file"]).expanduser())
        settings["ssh"] = {**ssh, "config_file": config}
    return settings


def _given(demand: Demand) -> dict[str, Any]:
    return demand.model_dump(exclude_none=True)


def _message(path: Path, text: str, error: ValidationError) -> str:
    """Say in one line for each problem where it is, and what must stand there."""
    lines = []
    for problem in error.errors():
        where = tuple(part for part in problem["loc"] if part != "[key]")
        key = ".".join(map(str, where)) or "the file"
        if problem["type"] == "extra_forbidden":
            known = _known_keys(where[:-1])
            what = (
                f"{key} must not be given{suggest(str(where[-1]), known)}; "
                f"known are {', '.join(sorted(known))}"
            )
        elif problem["type"] == "missing":
            what = f"{key} must be given"
        else:
            said = problem["msg"].removeprefix("Value error, ")
            what = f"{key}: {said}"
            if not isinstance(problem["input"], dict):
                what += f", received {problem['input']!r}"
        lines.append(f"{_place(path, text, where)}: {what}")
    return "\n".join(lines)


def _known_keys(where: tuple[int | str, ...]) -> set[str]:
    """Return the keys that a table may have."""
    if not where:
        return set(Pools.model_fields)
    if "ssh" in where[2:]:
        return set(SshSettings.model_fields)
    if "retry_resources" in where[2:]:
        return set(Demand.model_fields)
    return set(Pool.model_fields) - {"name"}


def _place(path: Path, text: str, where: Iterable[int | str]) -> str:
    """Return ``file:line`` of a key, or of the nearest table above it that the file spells out."""
    keys = [str(part) for part in where if isinstance(part, str)]
    best, depth = 1, 0
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[+\s*(.*?)\s*\]+\s*(#.*)?$", line)
        if header:
            table = _split(header[1])
            here = table
        else:
            assignment = re.match(r"""\s*("[^"]*"|'[^']*'|[\w.-]+)\s*=""", line)
            if not assignment:
                continue
            here = table + _split(assignment[1])
        if len(here) > depth and keys[: len(here)] == here:
            best, depth = number, len(here)
    return f"{path}:{best}"


def _split(key: str) -> list[str]:
    """Return the parts of a dotted key without their quotes."""
    return [part.strip("\"'") for part in re.findall(r"""\"[^"]*\"|'[^']*'|[^.\s]+""", key)]
