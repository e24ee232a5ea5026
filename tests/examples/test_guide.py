"""All Python of the guide, and of the pages in PAGES, runs and gives what `# ->` says."""

import re

import pytest

CHECK = """\
def check(value, text, line):
    assert repr(value) == text, f"line {line}: {value!r} is not {text}"
"""

PAGES = {"guide.md": 13, "items.md": 29, "potentials.md": 2}
"""Pages, and how many values at least they state."""

MARKS = {"potentials.md": pytest.mark.extensive}


@pytest.fixture(scope="module")
def guide(root) -> str:
    return (root / "docs" / "guide.md").read_text()


def checked(block: str) -> str:
    """Turn `expression  # -> text` into a call that compares the two."""
    return re.sub(r"^( *)(\S.*?)  # -> (.+)$", _call, block, flags=re.MULTILINE)


def _call(match: re.Match[str]) -> str:
    return f"{match[1]}check(({match[2]}), {match[3]!r}, {match[2]!r})"


@pytest.mark.parametrize("page", [pytest.param(p, marks=MARKS.get(p, ())) for p in PAGES])
def test_all_python_of_a_page_is_true(page, root, tmp_project, run_script):
    text = (root / "docs" / page).read_text()
    module, *blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    name = re.match(r"# (\w+\.py)\n", module)
    assert name, "the first block must be a file of the project"
    tmp_project.write(name[1], module)
    body = "\n".join(checked(block) for block in blocks)
    assert body.count("check((") == text.count("  # -> ") >= PAGES[page]
    tmp_project.write("workflow.py", CHECK + body + '\nprint("all true")\n')
    assert run_script("workflow.py") == "all true\n"


def test_a_wrong_value_is_found(tmp_project, run_script):
    tmp_project.write("workflow.py", CHECK + checked("if True:\n    1 + 1  # -> 3"))
    with pytest.raises(AssertionError, match="2 is not 3"):
        run_script("workflow.py")


def test_the_guide_is_read_in_one_sitting(guide):
    assert len(guide.splitlines()) <= 220
