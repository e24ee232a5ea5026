"""References: what ``node.frames``, ``node.frames[3]`` and ``a.x + b.x`` are inside a Project.

A reference names a node and the steps from it to a value. Nothing is computed while building.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

from zn_pipeline.records import Json


class Ref:
    """A value of a node that does not exist yet: attribute, then any number of items.

    Attributes
    ----------
    node : the node object that will produce the value
    attribute : name of its field, property or method
    items : keys, indices or slices applied to the value, in order
    """

    __slots__ = ("attribute", "items", "node")

    def __init__(self, node: Any, attribute: str, items: tuple[Any, ...] = ()) -> None:
        self.node = node
        self.attribute = attribute
        self.items = items

    def __getitem__(self, key: int | str | slice) -> Ref:
        if isinstance(key, bool) or not isinstance(key, (int, str, slice)):
            raise TypeError(
                f"{self!r} must be indexed by an integer, a text key or a slice, received {key!r}"
            )
        return Ref(self.node, self.attribute, (*self.items, key))

    def __add__(self, other: Any) -> RefSum:
        return RefSum((self, *_terms(other)))

    def __radd__(self, other: Any) -> RefSum:
        return RefSum((*_terms(other), self))

    def __iter__(self) -> Iterator[Any]:
        self._refuse("iterated over")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ref):
            self._refuse("compared to a value")
        return self is other

    __hash__ = object.__hash__

    def __len__(self) -> int:
        self._refuse("measured by len()")

    def __bool__(self) -> bool:
        self._refuse("used as a condition")

    def __float__(self) -> float:
        self._refuse("turned into a number")

    __int__ = __index__ = __float__  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        self._refuse(f"asked for its attribute {name!r}")

    def __call__(self, *_: Any, **__: Any) -> Any:
        """Refuse: what a reference leads to cannot be called yet."""
        self._refuse("called")

    def _refuse(self, how: str) -> NoReturn:
        raise TypeError(
            f"{self!r} must not be {how} while the graph is built, because its value does not "
            "exist yet; pass it to a node's dependency, or read it after project.repro()"
        )

    def __repr__(self) -> str:
        name = getattr(self.node, "name", None) or type(self.node).__name__
        return f"<Ref {name}.{self.attribute}{''.join(f'[{_show(i)}]' for i in self.items)}>"


class RefSum:
    """Sum of list-valued references, ``a.frames + b.frames``; order is kept."""

    __slots__ = ("terms",)

    def __init__(self, terms: tuple[Any, ...]) -> None:
        self.terms = terms

    def __add__(self, other: Any) -> RefSum:
        return RefSum((*self.terms, *_terms(other)))

    def __radd__(self, other: Any) -> RefSum:
        return RefSum((*_terms(other), *self.terms))

    def __repr__(self) -> str:
        return " + ".join(repr(term) for term in self.terms)


def _terms(value: Any) -> tuple[Any, ...]:
    if isinstance(value, RefSum):
        return value.terms
    if isinstance(value, Ref):
        return (value,)
    if isinstance(value, int) and value == 0:  # the start value of sum()
        return ()
    if isinstance(value, list) and not value:
        return ()
    raise TypeError(f"only references may be added to references, received {value!r}")


def _show(item: Any) -> str:
    if isinstance(item, slice):
        parts = [item.start, item.stop] + ([] if item.step is None else [item.step])
        return ":".join("" if part is None else str(part) for part in parts)
    return repr(item)


def encode_item(item: int | str | slice) -> Json:
    """Return an index, key or slice as JSON."""
    if isinstance(item, slice):
        return {"slice": [item.start, item.stop, item.step]}
    return item


def apply_item(value: Any, item: Json) -> Any:
    """Return ``value[item]`` for an item encoded by :func:`encode_item`."""
    if isinstance(item, dict):
        return value[slice(*item["slice"])]
    return value[item]
