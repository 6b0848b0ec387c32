"""How the requests of two bundles differ: what clients would have to send otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from mulle.runtime.bundle import Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a bundle's request differs from another's: what clients would have to send otherwise."""

    added: tuple[str, ...]
    gone: tuple[str, ...]
    changed: tuple[str, ...]

    @classmethod
    def between(cls, old: Bundle, new: Bundle) -> Difference:
        """Compare what two bundles take: columns, and how each is written in JSON."""
        before, after = _wires(old), _wires(new)
        changed = tuple(name for name in before if name in after and before[name] != after[name])
        added = tuple(name for name in after if name not in before)
        return cls(added=added, gone=tuple(name for name in before if name not in after), changed=changed)

    def __bool__(self) -> bool:
        return bool(self.added or self.gone or self.changed)

    def __str__(self) -> str:
        told = (("it needs", self.added), ("it no longer takes", self.gone), ("it reads differently", self.changed))
        return "; ".join(f"{what} {', '.join(names)}" for what, names in told if names)


def _wires(bundle: Bundle) -> dict[str, str]:
    return {name: f"{entry['wire']} {entry['kind']}" for entry in bundle.manifest.request for name in entry["columns"]}
