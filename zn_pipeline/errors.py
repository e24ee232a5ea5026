"""Exceptions of the framework.

::

    PipelineError
    +-- BuildError            the graph cannot be written as it stands
    |   +-- NameCollisionError   two nodes claim one stage name, work dir or path
    |   +-- FieldError           a field holds a value that cannot be tracked (names ``Node.field``)
    |   +-- CycleError           the graph is not acyclic
    +-- NodeNotFoundError     no node of that name in that revision
    +-- NotRunError           an output was asked for that has not been produced yet
    +-- DataMissingError      an output is recorded, but its content is in no cache or remote
    +-- NodeFailedError       one or more nodes raised while running
    +-- MapFailedError        more items of a map failed than are allowed
    +-- DamagedError          a stored result does not have the bytes that were written
    +-- NotCacheableError     a value has no stable digest, so what uses it cannot be cached
    +-- QueueError            a batch system did not answer, or its jobs cannot run
    +-- BusyError             another run holds this repository
    +-- RemoteError           a remote repository or revision cannot be read
    +-- MissingExtraError     an optional dependency is not installed

Every message says what must hold, what was received, and how to mend it.
"""

from __future__ import annotations

import typing


class PipelineError(Exception):
    """Base class of all errors raised by the framework."""


class BuildError(PipelineError):
    """The graph cannot be written as it stands."""


class NameCollisionError(BuildError):
    """Two nodes claim the same stage name, work dir or output path."""


class FieldError(BuildError, TypeError):
    """A field holds a value that cannot be tracked; the message names ``Node.field``."""


class CycleError(BuildError):
    """The graph contains a cycle; the message prints it."""


class NodeNotFoundError(PipelineError, KeyError):
    """No node of that name exists in the asked revision."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class NotRunError(PipelineError):
    """An output was asked for that has not been produced yet."""


class DataMissingError(PipelineError):
    """An output is recorded, but its content is found in no cache and no remote."""


class NodeFailedError(PipelineError):
    """One or more nodes failed while running."""


class MapFailedError(PipelineError):
    """More items of a map failed than are allowed; the message lists them.

    Attributes
    ----------
    results : what the map would have returned: all outputs that there are, and the failures
    """

    results: typing.Any = None


class DamagedError(PipelineError):
    """A stored result does not have the bytes that were written."""


class NotCacheableError(PipelineError, TypeError):
    """A value has no stable digest; the message names it and says how to give it one."""


class QueueError(PipelineError):
    """A batch system did not answer, or its jobs cannot run."""


class BusyError(PipelineError):
    """Another process runs or changes this repository."""


class RemoteError(PipelineError):
    """A remote repository or a revision of it cannot be read."""


class MissingExtraError(PipelineError, ImportError):
    """An optional dependency is not installed; the message names the extra."""
