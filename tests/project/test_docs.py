"""The docs are complete, up to date, and lead nowhere that does not exist."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from awry.cli.main import COMMANDS
from scripts import generate_docs

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(text: str) -> str:
    """The page without its code blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Where links into a page can point to."""
    heads = re.findall(r"^#+ (.+)$", prose(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("part", generate_docs.PARTS)
def test_reference_is_up_to_date(part: str) -> None:
    """Every setting, flag, metric, rule field and component is in its page as the code has it; `make docs` writes them."""
    page = (ROOT / "docs" / "reference" / generate_docs.PARTS[part][0]).read_text(encoding="utf-8")
    assert generate_docs.generate(part, page) == page


def test_every_option_has_a_sentence() -> None:
    """No generated table has an empty last cell before the environment column."""
    empty = []
    for part, (file, write) in generate_docs.PARTS.items():
        empty += [f"{file} ({part}): {line}" for line in write().splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert [] == empty


def routes() -> Iterator[str]:
    """Paths of every route that the server's modules make."""
    for path in sorted((ROOT / "src" / "awry" / "server").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Route", "Mount", "resource"):
                match node.args[:1]:
                    case [ast.Constant(value=str(text))]:
                        yield text
                    case [ast.JoinedStr(values=values)]:
                        yield "".join(str(v.value) for v in values if isinstance(v, ast.Constant))


def test_every_route_is_documented() -> None:
    """Every path that the server answers stands in the API reference, pages included."""
    page = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    plain = re.sub(r":[a-z]+}", "}", page)
    known = sorted(set(routes()))
    assert len(known) > 10
    assert [] == [path for path in known if re.sub(r":[a-z]+}", "}", path) not in plain]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page: Path) -> None:
    """Every link to a file leads to one, and every anchor to a heading."""
    broken = []
    for target in LINK.findall(prose(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        goal = (page.parent / file).resolve() if file else page
        if not goal.exists() or (anchor and anchor not in anchors(goal)):
            broken.append(target)
    assert [] == broken


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist(page: Path) -> None:
    """Every `make` target and every `awry` command that a page names is there."""
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    made = {*re.findall(r"`make ([a-z-]+)`", text), *re.findall(r"^\$ make ([a-z-]+)", text, re.MULTILINE)}
    used = {*re.findall(r"`awry ([a-z-]+)", text), *re.findall(r"^[$#] (?:\S*/)?awry ([a-z-]+)", text, re.MULTILINE)}
    assert set() == made - targets
    assert set() == used - set(COMMANDS)


def test_flags_of_pages_exist() -> None:
    """Every flag in a console line of `awry` is a flag of that command."""
    reference, wrong = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8"), []
    for page in PAGES:
        for line in re.findall(r"^\$ (?:\S*/)?awry .*$", page.read_text(encoding="utf-8"), re.MULTILINE):
            command = line.split("awry ", 1)[1].split()[0]
            section = reference.split(f"## awry {command}\n")[-1].split("\n## ")[0]
            wrong += [f"{name_of(page)}: {line}" for flag in re.findall(r" (--[a-z-]+)", line) if f"`{flag}" not in section]
    assert [] == wrong


def test_every_bench_has_a_row_and_names_the_machine() -> None:
    """Every harness and every file of results has its row in benchmarks/README.md; each result says where it was measured."""
    folder = ROOT / "benchmarks"
    rows = [line for line in (folder / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    harnesses = {path.name for path in folder.glob("*.py") if '"__main__"' in path.read_text(encoding="utf-8")}
    results = {path.name for path in folder.glob("results/*.json")}
    assert harnesses == {re.findall(r"`([^`]+)`", row)[0] for row in rows}
    assert results == set(re.findall(r"`results/([^`]+)`", "\n".join(rows)))
    assert [] == [name for name in sorted(results) if "machine" not in json.loads((folder / "results" / name).read_text("utf-8"))]


@pytest.mark.slow
def test_site_builds_and_asks_no_other_host(tmp_path: Path) -> None:
    """MkDocs builds the site without a warning, and no page of it loads anything from elsewhere."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == built.returncode, built.stdout + built.stderr
    host = r'"(?:https?:)?//[^"]+"'
    loaded = re.compile(rf'<(?:script|img|iframe)[^>]* src={host}|<link[^>]* rel="(?:stylesheet|preconnect)"[^>]* href={host}')
    found = {hit for page in tmp_path.rglob("*.html") for hit in loaded.findall(page.read_text(encoding="utf-8"))}
    assert set() == found
