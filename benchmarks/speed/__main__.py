"""The benchmarks of speed: which there are, and whether anything has become slower.

python -m benchmarks.speed                              # what each measures
python -m benchmarks.speed --check                      # 4 minutes on two quiet cores; 1 after a loss
"""

from __future__ import annotations

import argparse
import ast
import sys
from pathlib import Path


def main() -> int:
    """List the scripts, or compare ratios with those that are kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare ratios with the kept results")
    if not parser.parse_args().check:
        for path in sorted(Path(__file__).parent.glob("*.py")):
            module = ast.parse(path.read_text(encoding="utf-8"))
            if path != Path(__file__) and any(getattr(one, "name", "") == "main" for one in module.body):
                words = (ast.get_docstring(module) or "").splitlines()[0]
                print(f"python -m benchmarks.speed.{path.stem:<12} {words}")
        return 0
    import torch

    from benchmarks.speed.check import losses

    torch.set_num_threads(1)
    found = losses(lambda line: print(line, flush=True))
    for figure in found:
        print(f"slower than before: {figure.name}: {figure.scenario}, {figure.method}, {figure.metric}")
    print("nothing has become slower" if not found else f"{len(found)} losses")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
