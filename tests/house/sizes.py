"""The house's size limits: ``python tests/house/sizes.py`` prints what is over them and exits 1.

File 500 lines, function 40, class 200, view 20 (functions of ``views``), Celery task 12.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FILE, FUNCTION, CLASS, VIEW, TASK = 500, 40, 200, 20, 12


def too_large(path: Path) -> Iterator[str]:
    """One line per place in ``path`` that is over its limit."""
    source = path.read_text()
    lines = source.count("\n")
    if lines > FILE:
        yield f"{path}: file of {lines} lines (limit {FILE})"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            limit = _limit(path, node)
            if length > limit:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines (limit {limit})"


def _limit(path: Path, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    if isinstance(node, ast.ClassDef):
        return CLASS
    if path.name == "tasks.py":
        return TASK
    in_views = path.name == "views.py" or path.parent.name == "views"
    takes_request = bool(node.args.args) and node.args.args[0].arg == "request"
    return VIEW if in_views and takes_request else FUNCTION


def main() -> int:
    """0 when everything is within the limits."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], capture_output=True, text=True, check=True, timeout=60
    )
    paths = [Path(name) for name in listed.stdout.split() if "/migrations/" not in name and Path(name).exists()]
    found = [line for path in paths for line in too_large(path)]
    print("\n".join(found) or f"{len(paths)} files within the limits")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
