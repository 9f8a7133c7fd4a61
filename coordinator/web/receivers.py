"""Who gets the messages of a rule or a notice, as forms name them."""

from collections.abc import Mapping


def receivers_of(form: Mapping[str, str]) -> dict[str, object]:
    """The fields ``webhook`` and ``email`` of the interface; an empty field is no receiver."""
    return {
        "webhook": form.get("webhook", "").strip() or None,
        "email": form.get("email", "").replace(",", " ").split(),
    }
