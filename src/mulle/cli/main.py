"""The way in: ``mulle WORD …``. It finds the word, runs it, and turns what happens into an exit code.

What the codes mean stands in `mulle.cli.codes`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from mulle import __version__
from mulle.cli import fault, voice
from mulle.cli.words import ALL, SECTIONS
from mulle.core.errors import MulleError, UnknownName
from mulle.core.settings import calm_threads, collect_seldom

INTERRUPTED = 130


class Words(click.Group):
    """All words of the command line; each one's module is imported only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Name all words in the order of the help."""
        return list(ALL)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one word's command."""
        if cmd_name not in ALL:
            return None
        module, name = ALL[cmd_name].home.split(":")
        command: click.Command = getattr(importlib.import_module(f"mulle.cli.{module}"), name)
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the word that was typed, or say which one was meant."""
        word = args[0]
        if word not in ALL and not word.startswith("-"):
            known = UnknownName.among(word, ALL, noun="word", where=f"mulle {word}")
            hint = known.fix.split("?")[0] + "? " if known.fix.startswith("did") else ""
            raise UnknownName(known.what, where=known.where, fix=f"{hint}mulle --help lists all words")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the words by section, from `mulle.cli.words` alone."""
        for title, words in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, word.says) for name, word in words.items()], col_max=12)

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, **extra: object
    ) -> NoReturn:
        """Run a word and leave with its exit code."""
        voice.prepare(sys.stdout, sys.stderr)
        typed = sys.argv[1:] if args is None else args
        voice.for_machines(wanted="--json" in typed)
        extra = {**extra, "standalone_mode": False, "prog_name": "mulle"}
        sys.exit(self._code(args, typed, extra))

    def _code(self, args: Sequence[str] | None, typed: Sequence[str], extra: dict[str, Any]) -> int:  # noqa: PLR0911  # one return a code
        try:
            return int(super().main(args, **extra) or 0)
        except click.exceptions.Exit as leaving:
            return leaving.exit_code
        except click.ClickException as error:
            voice.tell(fault.from_usage(error))
            return 2
        except MulleError as error:
            return fault.ours(error) if error.exit_code == 3 else _told(error)  # noqa: PLR2004
        except click.Abort as error:  # click takes the end of a file for Ctrl-D
            return fault.ours(error.__cause__) if isinstance(error.__cause__, EOFError) else _stopped(typed)
        except KeyboardInterrupt:
            return _stopped(typed)
        except BrokenPipeError:  # somebody piped us into head: not a fault
            sys.stdout = None
            return 0
        except Exception as error:  # whatever it is, the person gets words and a file  # noqa: BLE001
            return fault.anyones(error)


def _stopped(typed: Sequence[str]) -> int:
    voice.say(fault.stopped(next((word for word in typed if not word.startswith("-")), "")))
    return INTERRUPTED


def _told(error: MulleError) -> int:
    voice.tell(error)
    return error.exit_code


@click.group(
    cls=Words,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
    epilog=("mulle WORD --help says more about each. Results go to stdout, words to stderr; --json is for machines."),
)
@click.version_option(__version__, "--version", message="mulle %(version)s")
def cli() -> None:
    """Mulle: a one-page project file in, a checked and explained model out.

    Start with:  mulle try FILE --target COLUMN
    """


def main() -> NoReturn:
    """Run the command line on what was typed."""
    calm_threads()
    collect_seldom()
    cli.main()
