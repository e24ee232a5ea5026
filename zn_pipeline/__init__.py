"""Workflows of class-based nodes as plain DVC pipelines: declare, build, run in parallel, load.

A map of the package, from what users see to what it stands on::

    cli/          commands: init build repro run status explain list show nodes store
    testing/      check_node and tmp_project, for tests of your own nodes
    iterate.py    loops that grow the graph step by step
    project.py    Project: the with block, groups, build, repro, status
    execute/      planning, workers, the single writer, executors
    items/        map: one function over many structures, and the store of their results
    queues/       pools.toml, batch systems, ssh, jobs without a driver
    store/        Git, DVC, caches, revisions, from_rev
    serialize/    values to files, records to dvc.yaml, params.yaml, graph.json
    fingerprint/  digests of code and values
    node.py       Node, the base class
    reference.py  Ref: what node.field is while the graph is built
    fields.py     params, deps, outs, metrics, plots and their *_path forms
"""

from __future__ import annotations

import importlib
import typing

from zn_pipeline.errors import BuildError as BuildError
from zn_pipeline.errors import BusyError as BusyError
from zn_pipeline.errors import DataMissingError as DataMissingError
from zn_pipeline.errors import MapFailedError as MapFailedError
from zn_pipeline.errors import MissingExtraError as MissingExtraError
from zn_pipeline.errors import NodeFailedError as NodeFailedError
from zn_pipeline.errors import NodeNotFoundError as NodeNotFoundError
from zn_pipeline.errors import NotCacheableError as NotCacheableError
from zn_pipeline.errors import NotRunError as NotRunError
from zn_pipeline.errors import PipelineError as PipelineError
from zn_pipeline.execute.dask import DaskExecutor as DaskExecutor
from zn_pipeline.execute.sequential import SequentialExecutor as SequentialExecutor
from zn_pipeline.fields import deps as deps
from zn_pipeline.fields import deps_path as deps_path
from zn_pipeline.fields import metrics as metrics
from zn_pipeline.fields import metrics_path as metrics_path
from zn_pipeline.fields import nwd as nwd
from zn_pipeline.fields import outs as outs
from zn_pipeline.fields import outs_path as outs_path
from zn_pipeline.fields import params as params
from zn_pipeline.fields import params_path as params_path
from zn_pipeline.fields import plots as plots
from zn_pipeline.fields import plots_path as plots_path
from zn_pipeline.iterate import Below as Below
from zn_pipeline.iterate import Plateau as Plateau
from zn_pipeline.iterate import Step as Step
from zn_pipeline.node import Node as Node
from zn_pipeline.project import Project as Project
from zn_pipeline.records import RunReport as RunReport
from zn_pipeline.reference import Ref as Ref
from zn_pipeline.resources import Resources as Resources
from zn_pipeline.serialize.codecs import register_codec as register_codec
from zn_pipeline.store.source import from_rev as from_rev

if typing.TYPE_CHECKING:
    from zn_pipeline import testing as testing
    from zn_pipeline.items.evaluate import Evaluate as Evaluate
    from zn_pipeline.items.map import map_items as map
    from zn_pipeline.items.records import Failure as Failure
    from zn_pipeline.items.results import MapResults as MapResults
    from zn_pipeline.items.results import MapValues as MapValues
    from zn_pipeline.items.seeds import structure_seeds as structure_seeds
    from zn_pipeline.serialize.frames import Frames as Frames
    from zn_pipeline.serialize.frames import FramesOutput as Output
    from zn_pipeline.serialize.frames import FramesWriter as FramesWriter
    from zn_pipeline.serialize.frames import write_frames as write_frames

_NAMES = {"Output": "FramesOutput"}
"""What a public name is called in its module, where that differs."""

_LAZY = {
    "Evaluate": "zn_pipeline.items.evaluate",
    "Failure": "zn_pipeline.items.records",
    "MapResults": "zn_pipeline.items.results",
    "MapValues": "zn_pipeline.items.results",
    "Output": "zn_pipeline.serialize.frames",
    "Frames": "zn_pipeline.serialize.frames",
    "FramesWriter": "zn_pipeline.serialize.frames",
    "structure_seeds": "zn_pipeline.items.seeds",
    "write_frames": "zn_pipeline.serialize.frames",
}


def __getattr__(name: str) -> typing.Any:
    if name == "testing":
        return importlib.import_module("zn_pipeline.testing")
    if name == "map":
        return importlib.import_module("zn_pipeline.items.map").map_items
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), _NAMES.get(name, name))
    raise AttributeError(f"module 'zn_pipeline' has no attribute {name!r}")


__all__ = [
    "Below",
    "BuildError",
    "BusyError",
    "DaskExecutor",
    "DataMissingError",
    "Evaluate",
    "Failure",
    "Frames",
    "FramesWriter",
    "MapFailedError",
    "MapResults",
    "MapValues",
    "MissingExtraError",
    "Node",
    "NodeFailedError",
    "NodeNotFoundError",
    "NotCacheableError",
    "NotRunError",
    "Output",
    "PipelineError",
    "Plateau",
    "Project",
    "Ref",
    "Resources",
    "RunReport",
    "SequentialExecutor",
    "Step",
    "deps",
    "deps_path",
    "from_rev",
    "map",
    "metrics",
    "metrics_path",
    "nwd",
    "outs",
    "outs_path",
    "params",
    "params_path",
    "plots",
    "plots_path",
    "register_codec",
    "structure_seeds",
    "testing",
    "write_frames",
]
