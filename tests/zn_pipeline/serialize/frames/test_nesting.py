"""Nestings as ranges and as text."""

import numpy as np
import pytest

from zn_pipeline.serialize.frames.nesting import (
    Group,
    NestingRecorder,
    nesting_text,
    parse_nesting,
    restrict,
    split_top,
)

TEXT = "<2><1<3>>1<><><2<1>>"


def random_text(rng: np.random.Generator, depth: int) -> str:
    parts = []
    for _ in range(rng.integers(0, 4)):
        parts.append(str(rng.integers(1, 5)))
        if depth:
            parts.append(f"<{random_text(rng, depth - 1)}>")
    return "".join(parts)


def test_text_and_back():
    rng = np.random.default_rng(0)
    for text in [TEXT, *(random_text(rng, 3) for _ in range(50))]:
        root = parse_nesting(text)
        assert root is None or nesting_text(root) == text
        assert (root is None) == ("<" not in text)


def test_ranges():
    root = parse_nesting("<2>1<1<3>>")
    assert root == Group(0, 7, (Group(0, 2), Group(3, 7, (Group(4, 7),))))
    assert root.shifted(10).groups[1].groups == (Group(14, 17),)


@pytest.mark.parametrize(("text", "meant"), [("2>1<1", "3<1>"), ("<1<1", "<1<1>>"), (">>", "")])
def test_brackets_out_of_balance(text: str, meant: str):
    assert parse_nesting(text) == parse_nesting(meant)


def test_recorder():
    recorder = NestingRecorder()
    recorder.frames(2)
    assert recorder.root() is None
    recorder.begin()
    recorder.end()
    recorder.end()
    assert (recorder.n_frames, recorder.n_groups) == (2, 1)
    assert recorder.root() == Group(0, 2, (Group(2, 2),))


def test_split_of_any_selection():
    root = parse_nesting("<2>3<><4>")
    assert root is not None
    rng = np.random.default_rng(0)
    for _ in range(100):
        frames = rng.permutation(9)[: rng.integers(0, 9)]
        parts = list(split_top(root, frames))
        assert [low for _, low, _ in parts] == [0, *(high for _, _, high in parts)][:-1]
        assert not parts or parts[-1][2] == len(frames)
        for group, low, high in parts:
            for frame in frames[low:high]:
                if group is None:
                    assert 2 <= frame < 5
                else:
                    assert group.start <= frame < group.stop


def test_only_the_whole_has_empty_groups():
    root = parse_nesting("<><2><>")
    assert [group for group, *_ in split_top(root, np.arange(2))] == list(root.groups)
    assert len(list(split_top(root, np.arange(1)))) == 1
    assert restrict(root, np.arange(2)) == root
    assert restrict(root, np.array([1])) == parse_nesting("<1>")
    assert list(split_top(None, np.arange(3))) == [(None, 0, 3)]
    assert list(split_top(None, np.arange(0))) == []
