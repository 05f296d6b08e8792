"""Makes the pictures of docs/gallery.md by running the page.

    python docs/make_gallery.py

Each picture of docs/figures/gallery is the `figure` that the block above it in the page made.
"""

import os
import re
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
PARTS = re.compile(r"^```python\n(.*?)^```$|!\[[^\]]*\]\((figures/gallery/\w+\.png)\)", re.S | re.M)


def main() -> None:
    """Runs the page, block by block, in a folder of its own."""
    page, names, started = (DOCS / "gallery.md").read_text(), {}, Path.cwd()
    (DOCS / "figures" / "gallery").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for code, picture in PARTS.findall(page):
            if picture:
                names["figure"].savefig(DOCS / picture, dpi=90)
                print(picture, flush=True)
            else:
                exec(compile(code, "gallery.md", "exec"), names)
        os.chdir(started)


if __name__ == "__main__":
    main()
