"""Optional dependencies: import one, or say how to install it."""

import importlib
from types import ModuleType

import zn_pipeline as zn

__all__ = ["require"]


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional dependency.

    Parameters
    ----------
    module : dotted name of the module, e.g. ``"rdkit.Chem"``
    extra : the extra of this package that installs it, e.g. ``"chem"``

    Raises
    ------
    MissingExtraError
        If the module cannot be found; the message is the command that mends it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        name = module.split(".")[0]
        if error.name is None or error.name.split(".")[0] != name:
            raise
        raise zn.MissingExtraError(
            f"{name} must be installed for this node, received no module of that name. "
            f'Run: pip install "zn-pipeline[{extra}]"'
        ) from error
