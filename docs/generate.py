"""Write the generated blocks of the documents, or check that they are current.

.venv/bin/python docs/generate.py            rewrite what is stale
.venv/bin/python docs/generate.py --check    name what is stale; exit status 1 if there is any
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from docs.generator.blocks import BlockError, Document  # noqa: E402
from docs.generator.contents import DOCUMENTS  # noqa: E402


def stale_documents(root: Path, *, write: bool) -> list[str]:
    """``path: block`` of each block that is not current; with ``write`` they are current afterwards."""
    stale = []
    for path, blocks in DOCUMENTS.items():
        document = Document.read(root / path)
        for name, content in blocks.items():
            if document.replace(name, content()):
                stale.append(f"{path}: the block {name!r}")
        if write:
            document.save()
    return stale


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 and name what is stale")
    check = parser.parse_args().check
    try:
        stale = stale_documents(ROOT, write=not check)
    except BlockError as error:
        print(f"docs/generate.py: {error}", file=sys.stderr)
        return 1
    for one in stale:
        print(f"{one} is stale; run: .venv/bin/python docs/generate.py" if check else f"{one} was rewritten")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
