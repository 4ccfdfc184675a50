"""Writes results/nab.json: every detector on the Numenta Anomaly Benchmark, with the machine named.

Run as `.venv/bin/python -m benchmarks.nab DIR` with the folder that holds NAB's data/ and labels/.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from awry.cli.bench_nab import as_json
from awry.detection.evaluation.nab_corpus import read_corpus
from awry.detection.evaluation.nab_run import run_nab
from awry.library.judges import make_judge
from benchmarks.machine import machine

RESULTS = Path(__file__).parent / "results" / "nab.json"


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    files = read_corpus(parser.parse_args().data)
    runs = [as_json(name, run_nab(files, lambda name=name: make_judge(name), lambda file: None)) for name in ("default", "records")]
    RESULTS.write_text(json.dumps({"machine": machine(), "runs": runs}, indent=1) + "\n", encoding="utf-8")
    for run in runs:
        print(run["detector"], run["standard"], run["reward_low_FP"], run["reward_low_FN"], run["samples_per_second"])


if __name__ == "__main__":
    main()
