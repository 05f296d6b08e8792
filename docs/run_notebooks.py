"""Executes the notebooks of docs/notebooks in place, so that they show what they print and draw.

    python docs/run_notebooks.py [NAME ...]

Needs the extra `docs`. `make test-long` executes their code without Jupyter.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent / "notebooks"


def main() -> None:
    """Executes those that are named, or all."""
    names = sys.argv[1:] or sorted(path.stem for path in FOLDER.glob("*.ipynb"))
    for name in names:
        path = FOLDER / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(notebook, timeout=1200, kernel_name="python3").execute()
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)  # when each cell ran
            if cell.cell_type == "code":  # warnings of other packages name this machine's folders
                cell.outputs = [x for x in cell.outputs if x.get("name") != "stderr"]
        nbformat.write(notebook, path)
        print(path.name, flush=True)


if __name__ == "__main__":
    main()
