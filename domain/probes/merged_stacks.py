"""The stacks of many trials together, in bounded memory. Pure."""

from domain.probes.stacks import OTHER, Stacks


class MergedStacks:
    """A sum that grows trial by trial.

    While its text is longer than ``most_characters``, its rarest stacks become ``(other)`` of their role. No sample is
    lost, and what is frequent stays.
    """

    def __init__(self, most_characters: int) -> None:
        self._most = most_characters
        self._counts: dict[str, dict[str, int]] = {}
        self._characters = self._hertz = self._lost = 0

    def add(self, stacks: Stacks) -> None:
        """Add the stacks of one trial."""
        for role, counts in stacks.counts.items():
            mine = self._counts.setdefault(role, {})
            for stack, count in counts.items():
                if stack not in mine:
                    self._characters += len(stack)
                mine[stack] = mine.get(stack, 0) + count
        self._hertz, self._lost = self._hertz or stacks.hertz, self._lost + stacks.lost
        if self._characters > 2 * self._most:  # not at each trial: sorting takes a while
            self._merge_the_rarest()

    @property
    def whole(self) -> Stacks:
        """The sum by now."""
        if self._characters > self._most:
            self._merge_the_rarest()
        return Stacks(self._counts, hertz=self._hertz, lost=self._lost)

    def _merge_the_rarest(self) -> None:
        ranked = sorted(((n, role, stack) for role, counts in self._counts.items() for stack, n in counts.items()),
                        key=lambda item: (-item[0], item[1], item[2]))  # fmt: skip
        self._counts, self._characters, kept = {}, 0, 0
        for n, role, stack in ranked:
            mine = self._counts.setdefault(role, {})
            name = stack if kept + len(stack) <= self._most else OTHER
            kept += len(stack)
            if name not in mine:
                self._characters += len(name)
            mine[name] = mine.get(name, 0) + n
