"""How two bundles differ to those who ask them: what clients would have to send, or to read, otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mulle.runtime.bundle import Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a bundle differs from another to its clients.

    Two bundles that are fitted by another metric or for other costs don't differ: what they say means the same.
    """

    added: tuple[str, ...]
    gone: tuple[str, ...]
    changed: tuple[str, ...]
    """Columns of the request: new, no longer there, read in another way."""
    answers: tuple[str, ...] = ()
    """What else is otherwise: what is asked, the key, classes and outputs, the name; each as a sentence."""

    @classmethod
    def between(cls, old: Bundle, new: Bundle) -> Difference:
        """Compare what two bundles take, columns and how each is written in JSON, and what they answer."""
        before, after = _wires(old), _wires(new)
        changed = tuple(name for name in before if name in after and before[name] != after[name])
        added = tuple(name for name in after if name not in before)
        gone = tuple(name for name in before if name not in after)
        return cls(added=added, gone=gone, changed=changed, answers=tuple(_otherwise(old, new)))

    def __bool__(self) -> bool:
        return bool(self.added or self.gone or self.changed or self.answers)

    def __str__(self) -> str:
        told = (("it needs", self.added), ("it no longer takes", self.gone), ("it reads differently", self.changed))
        return "; ".join([*(f"{what} {', '.join(names)}" for what, names in told if names), *self.answers])


def _wires(bundle: Bundle) -> dict[str, str]:
    return {name: f"{entry['wire']} {entry['kind']}" for entry in bundle.manifest.request for name in entry["columns"]}


def _otherwise(old: Bundle, new: Bundle) -> Iterator[str]:
    before, after = _meaning(old), _meaning(new)
    for what in before:
        if before[what] != after[what]:
            yield f"{what} {_words(after[what])} instead of {_words(before[what])}"


def _meaning(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    data = manifest.page.get("data")
    return {
        "it predicts": data.get("target") if isinstance(data, dict) else None,
        "its task is": manifest.task,
        "its classes are": manifest.classes,
        "it answers with": bundle.output_columns,
        "its decision is": "a number" if manifest.policy.decides == "value" else "a class",
        "its key is": manifest.key,
        "it is called": manifest.name,
    }


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value or "nothing that it names")
