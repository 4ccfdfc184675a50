"""The tables of how good detection is: runs `awry bench suite` and `awry bench inject`, keeps their results, and writes the page.

    python -m benchmarks.quality DATA            # runs both (half an hour), then writes docs/explanation/quality.md
    python -m benchmarks.quality --render        # writes the page from the results that lie in benchmarks/results

The page's text is in the page: only what stands between `<!-- table NAME -->` and the next blank line is replaced.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "quality.md"
SETS = {"wsd": "WSD", "asd": "ASD", "mscloud": "MSCloud", "skab": "SKAB", "smd": "SMD", "nab": "NAB"}
DETECTORS = (
    "default", "shape", "records", "lean", "default:shape", "default:records", "default:residual", "holt_winters", "nearest",
    "autoregression", "rolling", "gaussian", "ewma", "counts", "likelihood", "half_space_trees",
)  # fmt: skip
INJECTED = ("default", "records", "ewma")
RULED = ("default", "lean", "ewma", "holt_winters", "nearest")


def run(benchmark: str, data: Path, detectors: Sequence[str]) -> None:
    """Run one benchmark through the front door and keep its JSON."""
    command = [sys.executable, "-c", "import sys; from awry.cli.main import main; sys.exit(main())", "bench", benchmark, str(data)]
    named = [word for name in detectors for word in ("--detector", name)]
    done = subprocess.run([*command, *named, "--json"], check=True, stdout=subprocess.PIPE, text=True)
    (RESULTS / f"{benchmark}.json").write_text(json.dumps(json.loads(done.stdout)) + "\n", encoding="utf-8")


def read(name: str) -> dict[str, Any]:
    """Results of one benchmark."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def ranking(suite: dict[str, Any]) -> str:
    """Every detector's strength on every set, in the order of mean rank."""
    rows = []
    for name, one in sorted(suite["contestants"].items(), key=lambda item: item[1]["mean_rank"]):
        low, high = one["mean_rank_90"]
        raw = [one["sets"][key]["raw"] for key in SETS]
        cells = [f"{x['f1']:.2f} {x['recall_at_rate']:.2f} {x['vus_pr']:.2f} {x['auc_pr']:.2f}" for x in raw]
        rows.append([name, f"{one['mean_rank']:.1f} ({low:.1f}-{high:.1f})", *cells, f"{raw[-1]['nab']['standard']:.1f}"])
    return table(["", "mean rank (90 %)", *SETS.values(), "NAB standard"], rows)


def ruled(suite: dict[str, Any]) -> str:
    """What the default rule does with some detectors."""
    rows = []
    for name in RULED:
        cells = []
        for key in SETS:
            rule = suite["contestants"][name]["sets"][key]["rule"]
            delay = rule.get("delay_ms")
            told = f"{rule['recall']:.2f} ({rule['recall_opened']:.2f}), {rule['false_per_metric_week']:.2f}"
            cells.append(told + (f", {delay / 60_000:.0f} min" if delay is not None else ""))
        rows.append([name, *cells])
    return table(["", *SETS.values()], rows)


def injected(inject: dict[str, Any]) -> str:
    """Recall by kind of fault, sizes side by side."""
    faults = {one["detector"]: {(f["kind"], f["size"]): f for f in one["faults"]} for one in inject["detectors"]}
    mine, kinds = faults["default"], {}
    for kind, size in mine:
        kinds.setdefault(kind, []).append((kind, size))
    rows = []
    for kind, cells in kinds.items():
        right = [mine[c]["named_right"] for c in cells if mine[c]["named_right"] is not None]
        columns = [("default", o) for o in ("records", "shape", "heartbeat", "raw", "score", "rule")]
        columns += [("records", "raw"), ("ewma", "raw"), ("ewma", "score")]
        recall = ["/".join(f"{faults[who][c]['recall'][output]:.2f}" for c in cells) for who, output in columns]
        sizes = "/".join(f"{size:g}" for _, size in cells)
        rows.append([f"{kind} {sizes}", *recall, f"{sum(right) / len(right):.0%}" if right else "-"])
    head = ["fault", "records", "shape", "heartbeat", "raw of default", "score", "default rule", "raw of records", "EWMA raw"]
    return table([*head, "EWMA score", "named right"], rows)


def young(inject: dict[str, Any]) -> str:
    """Recall of a spike by the row it comes at."""
    recall = inject["detectors"][0]["young"]["recall"]
    rows = [
        [name, *(f"{v:.2f}" for v in recall[name]["spike 8"].values())] for name in ("raw", "shape", "residual", "beyond", "score")
    ]
    return table(["8-sigma spike, at row", *recall["raw"]["spike 8"]], rows)


def kept(calibration: dict[str, Any]) -> str:
    """Realised over promised episodes."""
    rows = []
    for one in calibration["realised_to_promised"]:
        promises, share = one["promises"], one["promises"]["0.0001"]
        within = f"{share['within_3']:.2f} ({share['within_3_if_exact']:.2f})" if share.get("within_3") is not None else "-"
        rows.append([one["name"], *(f"{promises[p]['ratio']:.2f}" for p in ("0.001", "0.0001", "1e-05")), within])
    return table(["", "1 in 1,000", "1 in 10,000", "1 in 100,000", "series within 3 at 1 in 10,000 (if exact)"], rows)


def main() -> None:
    """Run what is asked for, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--render", action="store_true", help="only write the page from the results there are")
    args = parser.parse_args()
    if args.data and not args.render:
        run("suite", args.data, DETECTORS)
        run("inject", args.data, INJECTED)
    suite, inject = read("suite"), read("inject")
    tables = {"ranking": ranking(suite), "rule": ruled(suite), "inject": injected(inject), "young": young(inject)}
    tables["promises"] = kept(read("calibration"))
    text = PAGE.read_text(encoding="utf-8")
    for name, lines in tables.items():
        text = re.sub(rf"(<!-- table {name} -->\n).*?(\n\n|\Z)", lambda m, lines=lines: m[1] + lines + m[2], text, flags=re.DOTALL)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
