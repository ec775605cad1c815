"""A registry: things by name, loaded when they are asked for, and open to the user's own."""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import TypeVar, cast, final

from mlft.errors import unknown_name

Thing = TypeVar("Thing")


@final
class Registry(MutableMapping[str, Thing]):
    """Things of one kind by name.

    What is given as "module:attribute" is imported at the first look-up, so that a name that nobody asks for costs
    nothing. A user adds his own by assignment.

    Raises:
        ConfigError: at the look-up of an unknown name, naming the nearest.

    >>> registry = Registry("function", {"root": "math:sqrt"})
    >>> registry["root"](9.0), list(registry)
    (3.0, ['root'])
    """

    def __init__(self, kind: str, things: Mapping[str, Thing | str]) -> None:
        self.kind = kind
        self._things: dict[str, Thing | str] = dict(things)

    def __getitem__(self, name: str) -> Thing:
        if name not in self._things:
            raise unknown_name(self.kind, name, list(self._things))
        thing = self._things[name]
        if isinstance(thing, str):
            module, _, attribute = thing.partition(":")
            thing = self._things[name] = cast(Thing, getattr(import_module(module), attribute))
        return thing

    def __setitem__(self, name: str, thing: Thing) -> None:
        self._things[name] = thing

    def __delitem__(self, name: str) -> None:
        del self._things[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)

    def __contains__(self, name: object) -> bool:
        return name in self._things

    def __repr__(self) -> str:
        """Return the names."""
        return f"<registry of {self.kind}: {', '.join(self._things)}>"
