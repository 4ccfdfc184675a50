"""Who may import whom, how long a file may be, and what may not be left lying about."""

from __future__ import annotations

import ast
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "awry"
LIBRARY = {"core", "detection", "formats"}
ALLOWED: dict[str, set[str]] = {
    "core": set(),
    "detection": {"core"},
    "formats": {"core"},
    "stores": {"core"},
    "notifiers": {"core"},
    "connectors": {"core", "formats"},
    "engine": {"core", "detection"},
    "testing": {"core", "detection"},
    "library": LIBRARY,
    "": LIBRARY | {"library"},  # awry/__init__.py itself
    "server": LIBRARY | {"stores", "notifiers", "connectors", "engine", "library", ""},
    "cli": LIBRARY | {"stores", "notifiers", "connectors", "engine", "library", "server", ""},
}
HEAVY = {
    "torch", "ray", "kafka", "mlflow", "pandas", "pyarrow", "matplotlib", "sklearn", "psycopg", "pymysql", "grpc", "river",
    "holidays",
}  # fmt: skip
SOURCES = sorted(PACKAGE.rglob("*.py"))
OURS = [path for folder in ("src", "tests", "benchmarks", "scripts") for path in sorted((ROOT / folder).rglob("*.py"))]


UNFINISHED = ("TODO", "FIXME", "XXX", "HACK", "NotImplementedError")


@cache
def tree_of(path: Path) -> ast.Module:
    """A source as parsed, for all tests of this module."""
    return ast.parse(path.read_text(encoding="utf-8"))


def layer(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every imported module by its full name, with its line; `from awry import core` names awry.core."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "awry":
            yield from ((f"awry.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield ("." * node.level + (node.module or ""), node.lineno)


def test_layers_import_downward_only() -> None:
    """No module imports a layer that the table does not allow it, nor by a relative path."""
    wrong = []
    for path in SOURCES:
        mine = layer(path)
        for name, line in imports(tree_of(path)):
            parts = name.split(".")
            if parts[0] == "":
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports by a relative path")
            if parts[0] != "awry":
                continue
            theirs = parts[1] if len(parts) > 1 and (PACKAGE / parts[1]).is_dir() else ""
            if theirs != mine and theirs not in ALLOWED[mine]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert [] == wrong


def test_heavy_packages_are_imported_where_they_are_used() -> None:
    """No module imports an optional or heavy package at its top level."""
    wrong = []
    for path in SOURCES:
        top = ast.Module([node for node in tree_of(path).body if isinstance(node, ast.Import | ast.ImportFrom)], [])
        wrong += [f"{path.relative_to(ROOT)}:{line} imports {name}" for name, line in imports(top) if name.split(".")[0] in HEAVY]
    assert [] == wrong


@pytest.mark.parametrize("module", ["awry", "awry.cli.main"])
def test_importing_is_light(module: str) -> None:
    """`import awry` and the command line's first module load neither numba nor anything else that is slow to load."""
    heavy = {*HEAVY, "numba", "polars", "sqlalchemy", "uvicorn", "starlette", "apprise", "rich"}
    code = f"import sys, {module}; print(*sorted({heavy!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert [] == loaded


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_is_short_and_finished(path: Path) -> None:
    """Under 400 lines, begins with a sentence, and holds no reminder of work not done."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 400, "split it: one idea, one file"
    if text.strip():
        first = (ast.get_docstring(tree_of(path)) or "").split("\n\n")[0]
        assert first.rstrip().endswith((".", "!", ":")), "begin with one sentence: what it does, for whom"
    if not any(word in text for word in UNFINISHED):
        return
    with tokenize.open(path) as lines:  # such a word may stand in a string
        tokens = tokenize.generate_tokens(lines.readline)
        notes = [token.string for token in tokens if token.type in (tokenize.COMMENT, tokenize.NAME)]
    assert [] == [note for note in notes if any(word in note for word in UNFINISHED)]
