"""Runs the code and the commands of README and docs, and rewrites the outputs that they show.

    python docs/refresh_outputs.py [PAGE ...]

A page is, for instance, `docs/foreign-data.md`; without one, all are run, which takes minutes.
`tests/shown.py` says which blocks hold outputs; an empty `text` block after a Python block is
filled. It prints how many outputs were stale, by more than rounding. `make test-long` compares all.
"""

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.shown import NEEDS, PAGES, SHOWN, fresh, run_page, runs  # noqa: E402


def refresh(page: str) -> None:
    """Rewrites the outputs of one page, from the last to the first."""
    path, here = ROOT / page, Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "experiments").symlink_to(ROOT / "experiments")
        os.chdir(folder)
        found = list(run_page(page, dict(SHOWN[page][1]) if page in SHOWN else {}))
        os.chdir(here)
    text, stale = path.read_text(), 0
    for block, printed in reversed(found):
        if block is not None and block.text != printed:
            stale += not fresh(block.text, printed)
            text = text[: block.start] + printed + text[block.start + len(block.text) :]
    path.write_text(text)
    print(f"{page}: {stale} stale", flush=True)


def main() -> None:
    """One process a page: a page may say how many devices there are."""
    match sys.argv[1:]:
        case [page]:
            refresh(page)
        case pages:
            for page in pages or filter(runs, PAGES):
                missing = [name for name in NEEDS.get(page, ()) if find_spec(name) is None]
                if missing:
                    print(f"{page}: left as it is, needs {', '.join(missing)}", flush=True)
                    continue
                subprocess.run([sys.executable, __file__, page], check=False)


if __name__ == "__main__":
    main()
