"""The generated parts of the documents."""

from pathlib import Path


def table(head: list, rows: list) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def replace_part(path: Path, name: str, text: str) -> None:
    """Puts text between `<!-- name: begin -->` and `<!-- name: end -->` of a document."""
    start, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = path.read_text().partition(start)
    if not found or end not in rest:
        raise SystemExit(f"{path} has no part `{name}`")
    path.write_text(f"{before}{start}\n\n{text}\n\n{end}{rest.partition(end)[2]}")
