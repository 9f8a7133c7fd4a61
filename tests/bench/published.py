"""Where documents hold what a bench measured: between two marks, which ``make bench-… DOCS=1`` fills. Pure."""


def marks(bench: str) -> tuple[str, str]:
    """The comments before and behind the text of a bench, as in ``bench-probes``."""
    return f"<!-- {bench}: written by `make {bench} DOCS=1` -->", f"<!-- {bench}: end -->"


def with_text(document: str, bench: str, text: str) -> str:
    """The document with a new text between the marks. Raises ``ValueError`` if it has no marks."""
    begin, end = marks(bench)
    if begin not in document or end not in document:
        raise ValueError(f"no place for the text: {begin} and {end} are not in the document")
    head, tail = document.split(begin)[0], document.split(end)[1]
    return f"{head}{begin}\n\n{text}\n\n{end}{tail}"
