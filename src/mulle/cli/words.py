"""Every word of the command line: what it does in one line, and where its command lives.

This file imports nothing, so that ``mulle --help`` answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """One word: its line in the help, and ``module:command`` within `mulle.cli`."""

    says: str
    home: str


SECTIONS: dict[str, dict[str, Word]] = {
    "Begin": {
        "try": Word("a file in, an answer in about a minute (init + run)", "turn:try_"),
        "init": Word("write mulle.toml from your data, each guess with its reason", "turn:init"),
        "demo": Word("the whole loop on real data that comes with Mulle", "turn:demo"),
    },
    "One turn": {
        "check": Word("only look at the page and the data", "turn:check"),
        "run": Word("data, baseline, model, evaluation, bundle: as far as it goes", "turn:run"),
        "assess": Word("open the sealed test for the bundle that would ship", "turn:assess"),
    },
    "Look": {
        "status": Word("where the project stands, and what to do next", "look:status"),
        "report": Word("draw a run as one HTML file", "look:report"),
        "history": Word("all runs, oldest first", "look:history"),
        "compare": Word("two runs side by side", "look:compare"),
        "rows": Word("hand the rows that are not sealed to a notebook", "look:rows"),
    },
    "The page": {
        "set": Word("change keys of mulle.toml in place: mulle set budget=5m", "page:set_"),
        "render": Word("show every key, and which are defaults", "page:render"),
        "schema": Word("JSON Schema of mulle.toml, for your editor", "page:schema"),
    },
    "Use": {
        "predict": Word("score a file of any size with a bundle", "use:predict"),
        "explain": Word("why one row is scored as it is, and what would change it", "explain:explain"),
        "serve": Word("answer over HTTP, and keep each prediction", "serve:serve"),
        "key": Word("API keys for a server's clients: mulle key add NAME", "key:key"),
        "admin": Word("ask or change a server that runs: mulle admin set threshold=0.4", "admin:admin"),
        "release": Word("shadow, canary, trial, promotion, rollback", "release:release"),
        "export": Word("what a bundle needs elsewhere: browsers, containers, Kubernetes", "deploy:export"),
        "log": Word("hand out what was served: mulle log export OUT", "log:log"),
        "replay": Word("ask once more what a logged prediction was", "replay:replay"),
        "forget": Word("remove all of one person or unit from log and cache", "log:forget"),
    },
    "This machine": {
        "parts": Word("kinds, tasks, model families, metrics, policies, checks", "machine:parts"),
        "doctor": Word("versions, cores, disk, known traps", "machine:doctor"),
    },
    "Not built yet": {
        "judge": Word("ask people or a model for labels and opinions", "later:judge"),
        "monitor": Word("watch what is served: drift, outcomes, money", "later:monitor"),
        "retrain": Word("turn the wheel again on newer rows", "later:retrain"),
    },
}

LATER = frozenset(SECTIONS["Not built yet"])
ALL = {name: word for section in SECTIONS.values() for name, word in section.items()}
