"""Whether a lab has the offloads that its block and its condition ask for. Pure."""

from collections.abc import Iterator, Mapping


def offload_differences(
    offloads: Mapping[str, bool], of_block: Mapping[str, bool], of_condition: Mapping[str, bool]
) -> Iterator[str]:
    """The differences as one sentence; nothing if there is none."""
    wanted = dict(of_block) | dict(of_condition)
    if differing := {name: on for name, on in wanted.items() if offloads.get(name) is not on}:
        listed = ", ".join(f"{name} {_on(offloads.get(name))}, not {_on(on)}" for name, on in differing.items())
        yield f"offloads differ from the block's: {listed}"


def _on(value: bool | None) -> str:
    return "unknown" if value is None else "on" if value else "off"
