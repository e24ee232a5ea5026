"""All Python of the guide runs, and gives what `# ->` says."""

import re

import pytest

CHECK = """\
def check(value, text, line):
    assert repr(value) == text, f"line {line}: {value!r} is not {text}"
"""


@pytest.fixture(scope="module")
def guide(root) -> str:
    return (root / "docs" / "guide.md").read_text()


def checked(block: str) -> str:
    """Turn `expression  # -> text` into a call that compares the two."""
    return re.sub(r"^(\S.*?)  # -> (.+)$", _call, block, flags=re.MULTILINE)


def _call(match: re.Match[str]) -> str:
    return f"check(({match[1]}), {match[2]!r}, {match[1]!r})"


def test_all_python_of_the_guide_is_true(guide, tmp_project, run_script):
    module, *blocks = re.findall(r"^```python\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    assert module.startswith("# my_nodes.py")
    tmp_project.write("my_nodes.py", module)
    body = "\n".join(checked(block) for block in blocks)
    assert body.count("check((") == guide.count("  # -> ") >= 11
    tmp_project.write("workflow.py", CHECK + body + '\nprint("all true")\n')
    assert run_script("workflow.py") == "all true\n"


def test_a_wrong_value_is_found(tmp_project, run_script):
    tmp_project.write("workflow.py", CHECK + checked("1 + 1  # -> 3"))
    with pytest.raises(AssertionError, match="2 is not 3"):
        run_script("workflow.py")


def test_the_guide_is_read_in_one_sitting(guide):
    assert len(guide.splitlines()) <= 200
