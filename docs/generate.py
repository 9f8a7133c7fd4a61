"""Write the generated blocks of the documents and the first pages of new variants, or check that they are current.

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
from docs.generator.pages import missing_pages  # noqa: E402


def stale_documents(root: Path, *, write: bool) -> list[str]:
    """Each block that is not current, and each page that is missing; with ``write`` they are current afterwards."""
    stale = []
    for path, blocks in DOCUMENTS.items():
        document = Document.read(root / path)
        for name, content in blocks.items():
            if document.replace(name, content()):
                stale.append(f"{path}: the block {name!r}")
        if unknown := document.names - set(blocks):
            raise BlockError(f"{path}: nothing writes the block {min(unknown)!r}")
        if write:
            document.save()
    for page, text in missing_pages(root):
        stale.append(f"{page.relative_to(root)}: the page")
        if write:
            page.write_text(text)
    return stale


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 and name what is stale")
    parser.add_argument("--root", type=Path, default=ROOT, help="the directory of the documents (this checkout)")
    given = parser.parse_args(arguments)
    check = given.check
    try:
        stale = stale_documents(given.root, write=not check)
    except BlockError as error:
        print(f"docs/generate.py: {error}", file=sys.stderr)
        return 1
    for one in stale:
        print(f"{one} is stale; run: .venv/bin/python docs/generate.py" if check else f"{one} was rewritten")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
