"""Starting and stopping: open the bundle, open the log, bind, say so; finish what was accepted, close the log."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from mulle.core.errors import StoreError, UnknownName
from mulle.core.settings import environment
from mulle.server.app import App
from mulle.server.crowd import Entry
from mulle.server.entrance import Access, guard_of, watched
from mulle.server.follow import Follower
from mulle.server.guard import Guard
from mulle.server.hub import Hub, notifier, packed
from mulle.server.limits import Limits
from mulle.server.listener import AT_ONCE, SHARED, Listener
from mulle.server.metrics import Metrics
from mulle.server.parameters import Tuning
from mulle.server.privacy import Privacy, ignored_by, kept_out, read_by
from mulle.server.protocol import SPARE, connection_of, sweep
from mulle.server.record import SALT, salt_of
from mulle.server.remote import RemoteLog
from mulle.server.routes import app_of
from mulle.server.served import Lineup, Served
from mulle.server.service import Service, Unknown
from mulle.server.stall import left_behind
from mulle.server.swap import opened
from mulle.store.log import Log, Promise
from mulle.store.log.place import is_postgres

if TYPE_CHECKING:
    from mulle.core.project import ServerPart


log = logging.getLogger("mulle.server")

EVERY_S = 0.5
"""How often a server looks what others on its log were told."""
GARBAGE = (20_000, 20, 50)
"""What waits for an answer is no garbage: looking for some each 700 objects costs most when most requests wait."""
BACKLOG = 4096
"""Connections that wait to be accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `mulle serve` was told."""

    bundle: Path | None = None
    """A bundle to serve as it is; else what the project released."""
    home: Path | None = None
    """The project's folder ``.mulle``."""
    host: str = "127.0.0.1"
    port: int = 8080
    log: str = ""
    """A SQLite file, a folder, or a PostgreSQL address; empty for none."""
    promise: Promise = Promise.WRITTEN
    feedback_promise: Promise = Promise.SYNCED
    limits: Limits = field(default_factory=Limits)
    privacy: Privacy = field(default_factory=Privacy)
    elsewhere: Sequence[str] = ()
    """Columns that the data has and no bundle reads, as the page says."""
    unknown: Unknown = "ignore"
    workers: int = 1
    """Processes that answer; with several one more writes the log for all of them."""
    access: Access = field(default_factory=Access)


@dataclass(frozen=True, slots=True)
class First:
    """What a server begins with."""

    guard: Guard
    follower: Follower | None
    lineup: Lineup


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where entries are kept: in a log of this process, or by the parent of several workers."""

    log: Log | RemoteLog | None
    parent: RemoteLog | None = None


def serve(options: Options, *, said: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Parameters
    ----------
    options
        What, where and how.
    said
        Hears where the server listens, once it does.

    Raises
    ------
    BundleError
        When the bundle can't be opened or doesn't pass its own test.
    UnknownName
        When a column that the log is to hash or to leave out looks mistyped.
    StoreError
        When the address is taken, or the log can't be opened.
    """
    first = prepared(options)
    options.privacy.check(read_by(first.lineup.bundles), elsewhere=options.elsewhere)
    quiet()
    with bound(options.host, options.port) as sock, asyncio.Runner(loop_factory=event_loop()) as runner:
        if options.workers > 1:
            runner.run(_parent(options, sock, said))
        else:
            try:
                runner.run(served(options, first, sock, keeping=lambda: _keeping(options), said=said))
            finally:
                left_behind(say=logging.shutdown)


def prepared(options: Options) -> First:
    """Open what is to be served first, and say no early."""
    guard = guard_of(options.access, host=options.host, home=options.home, workers=options.workers)
    follower = None if options.bundle or options.home is None else Follower(options.home, log_url=options.log)
    lineup = follower.first() if follower else Lineup(champion=Served(opened(_given(options))))
    if _hashes(options.privacy, lineup) and is_postgres(options.log) and not environment().get(SALT):
        log.warning("columns are hashed by a salt of this folder alone; servers that share the log need one: %s", SALT)
    return First(guard, follower, lineup)


def _hashes(privacy: Privacy, lineup: Lineup) -> bool:
    """Say whether columns, or units alone, are logged by a hash."""
    return bool(privacy.hashed) or any(name in privacy.leave_out for name in lineup.champion.bundle.manifest.key[:1])


def event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the event loop: uvloop's, where there is one."""
    loop = "uvloop" if _has_uvloop() else "asyncio"
    return uvicorn.Config(App, loop=loop, log_config=None).get_loop_factory()


def enough_files(limits: Limits) -> None:
    """Let this process open as many files as it may need for its connections, as far as the system lets it."""
    try:
        import resource  # noqa: PLC0415  # it isn't there on Windows
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = limits.connections + SPARE + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


OTHER_FILES = 512


def quiet() -> None:
    """Let uvicorn say only what it could not do: what clients send wrongly is counted, not logged."""
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


async def _parent(options: Options, sock: socket.socket, said: Callable[[str], None]) -> None:
    async with _keeping(options) as keeps:
        hub = Hub(log=keeps.log, sock=sock, n=options.workers, told=packed(options))  # type: ignore[arg-type]
        await hub.run(lambda: said(address(sock)))


def address(sock: socket.socket) -> str:
    """Return where a socket listens, as a URL."""
    host, port = sock.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _given(options: Options) -> Path:
    if options.bundle is None:
        raise StoreError("there is nothing to serve", where="mulle serve", fix="mulle serve BUNDLE")
    return options.bundle


def settings(part: ServerPart, home: Path) -> dict[str, Any]:
    """Return what ``[server]`` of a page means for `Options`.

    Parameters
    ----------
    part
        Of the page.
    home
        The project's folder ``.mulle``, where the salt of hashed columns is kept when the environment has none.
    """
    secret = bool(part.hashed or part.leave_out)
    return {
        "limits": Limits(rows=part.max_rows, body_bytes=part.max_kib * 1024),
        "promise": Promise(part.predictions),
        "feedback_promise": Promise(part.feedback),
        "unknown": part.unknown,
        "privacy": Privacy(leave_out=part.leave_out, hashed=part.hashed, salt=salt_of(home) if secret else b""),
    }


def _has_uvloop() -> bool:
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: F401, PLC0415  # it isn't there on Windows

        return True
    return False


@contextlib.asynccontextmanager
async def _keeping(options: Options) -> AsyncIterator[Keeping]:
    """Open the log, and close it when all was written."""
    if not options.log:
        yield Keeping(None)
        return
    notify, most = notifier(asyncio.get_running_loop()), options.limits.pending
    opened_log = Log.open(options.log, notify=notify, max_pending=most, command="mulle serve")
    try:
        yield Keeping(opened_log)
    finally:
        await asyncio.to_thread(opened_log.close, options.limits.drain_s)


async def served(
    options: Options,
    first: First,
    sock: socket.socket,
    *,
    keeping: Callable[[], contextlib.AbstractAsyncContextManager[Keeping]],
    said: Callable[[str], None],
    number: int = 0,
) -> None:
    """Answer on a socket until a stop is asked for.

    Parameters
    ----------
    options, first
        What is served, and how.
    sock
        Bound and listening.
    keeping
        Opens what entries are kept in.
    said
        Hears where the server listens.
    number
        Of this worker; the first one has the admin's door.
    """
    async with keeping() as keeps, contextlib.AsyncExitStack() as stack:
        enough_files(options.limits)
        service = service_of(options, keeps)
        tuning = Tuning(keeps.log)
        taken = partial(_taken, service, tuning, options.home)
        taken(first.lineup)
        server = server_of(app_of(service, first.guard), options.limits, service.metrics)
        server.leaving = service.leave
        server.accepts = SHARED if options.workers > 1 else AT_ONCE
        gc.set_threshold(*GARBAGE)
        gc.freeze()  # what was loaded stays; the collector need not look at it again
        stack.enter_context(_tasks(service, server, first.follower, tuning, keeps.parent, taken))
        access = options.access if number == 0 else replace(options.access, admin=False)
        port = sock.getsockname()[1]
        door = watched(service, first.guard, tuning, access=access, home=options.home, port=port)
        await stack.enter_async_context(door)
        said(address(sock))
        await server.serve(sockets=[sock])
    if server.lost is not None:
        raise server.lost


def service_of(options: Options, keeps: Keeping) -> Service:
    """Return a service that has nothing to serve yet."""
    service = Service(
        lineup=None,
        log=keeps.log,
        limits=options.limits,
        promise=options.promise,
        feedback_promise=options.feedback_promise,
        privacy=options.privacy,
        unknown=options.unknown,
    )
    if keeps.parent is not None:
        service.counted = partial(_counted, service, keeps.parent)
    return service


async def _counted(service: Service, parent: RemoteLog) -> bytes:
    """Return what all workers counted."""
    return Metrics.joined(await parent.counted(service.metrics.packed())).text()


@contextlib.contextmanager
def _tasks(
    service: Service,
    server: Server,
    follower: Follower | None,
    tuning: Tuning,
    parent: RemoteLog | None,
    taken: Callable[[Lineup], None],
) -> Iterator[None]:
    """Keep going what goes on beside the answers; end it with the server."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(sweep(server.server_state.connections), name="sweep")]
    if follower is not None:
        service.metrics.gauges["mulle_release_unwatched_seconds"] = lambda: {(): follower.unwatched_s()}
        tasks.append(loop.create_task(follower.run(taken)))
    if tuning.shared:
        tasks.append(loop.create_task(_beside_others(service, tuning), name="parameters"))
    if parent is not None:
        tasks.append(loop.create_task(_as_one_of_many(service, parent), name="worker"))
        tasks.append(loop.create_task(_left_alone(server, parent), name="parent"))
    for task in tasks:
        task.add_done_callback(lambda task: _ended(task, server))
    try:
        yield
    finally:
        service.stopping = True
        for task in tasks:
            task.cancel()
        service.close()


def _taken(service: Service, tuning: Tuning, home: Path | None, lineup: Lineup) -> None:
    """Take a line-up into service; what the page of any of its bundles keeps out of the log stays out from now on."""
    if home is not None:
        pages = [bundle.manifest.page for bundle in lineup.bundles]
        more = kept_out(service.privacy, pages, salt=lambda: salt_of(home))
        if more != service.privacy:
            service.keep_out(more)
            _warn_of_typos(more, lineup)
    service.serve(tuning.lineup(lineup))


def _warn_of_typos(privacy: Privacy, lineup: Lineup) -> None:
    """Say which name looks mistyped. What was released is served all the same: the one before would be no better kept."""
    elsewhere = [name for bundle in lineup.bundles for name in ignored_by(bundle.manifest.page)]
    try:
        privacy.check(read_by(lineup.bundles), elsewhere=elsewhere)
    except UnknownName as error:
        log.error("%s: %s", error.where, error.what)  # noqa: TRY400


def _ended(task: asyncio.Task[None], server: Server) -> None:
    """Stop a server that has lost what goes on beside its answers: its supervisor starts it anew, whole."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("a task beside the answers has ended (%s): this server stops", task.get_name(), exc_info=error)
        server.should_exit, server.lost = True, error


async def _as_one_of_many(service: Service, parent: RemoteLog) -> None:
    """Tell the parent what was counted."""
    while not parent.gone:
        parent.tell(service.metrics.packed())
        await asyncio.sleep(EVERY_S)


async def _beside_others(service: Service, tuning: Tuning) -> None:
    """Hear which parameters another process on this log was told: a sibling, or a server on another machine."""
    unread = ""
    while True:
        try:
            if await asyncio.to_thread(tuning.catch_up) and service.lineup is not None:
                service.serve(tuning.lineup(service.lineup))
            unread = ""
        except StoreError as error:  # the log can't be read now; the parameters stay as they are until it can
            if unread != error.what:
                log.warning("changed parameters could not be read: %s", error)
            unread = error.what
        await asyncio.sleep(EVERY_S)


async def _left_alone(server: Server, parent: RemoteLog) -> None:
    """Leave with the parent, whatever else this worker is busy with."""
    await parent.left.wait()
    server.should_exit = True


def server_of(app: App, limits: Limits, metrics: Metrics) -> Server:
    """Return a uvicorn server that keeps our limits."""
    protocol = connection_of(limits, metrics)
    metrics.gauges["mulle_waiting_connections"] = lambda: {(): float(protocol.pace.waiting)}
    config = uvicorn.Config(
        app,
        http=Entry(protocol),  # type: ignore[arg-type]  # called as a class would be
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(limits.idle_s),
        timeout_graceful_shutdown=int(limits.drain_s),
        backlog=BACKLOG,
    )
    return Server(config)


class Server(uvicorn.Server):
    """uvicorn's server, which says aloud on each connection that it drains, and leaves with 0 after a stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop on SIGTERM and SIGINT. uvicorn would raise them once more at the end, as if the stop had failed."""
        loop = asyncio.get_running_loop()
        try:
            for sig in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(sig, self.handle_exit, sig, None)
        except (NotImplementedError, RuntimeError):  # Windows, or not the main thread
            with super().capture_signals():
                yield
            return
        yield

    lost: BaseException | None = None
    """What ended a task beside the answers: such a server must not leave with 0, or nobody would start it anew."""
    leaving: Callable[[], None] = staticmethod(lambda: None)
    """Is called when the stop begins."""
    accepts: int = AT_ONCE
    """Connections in one turn of the event loop."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen. As uvicorn does, but that many connections are accepted at a time."""
        entry: Any = self.config.http_protocol_class
        made = partial(entry, config=self.config, server_state=self.server_state, app_state={})
        try:
            self.servers = [Listener(sock, made, at_once=self.accepts) for sock in sockets or []]  # type: ignore[misc]  # closed as one
        except NotImplementedError:
            await super().startup(sockets)
            return
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what was accepted, then stop."""
        self.leaving()
        self.config.http_protocol_class.drain()  # type: ignore[attr-defined]
        await super().shutdown(sockets)


def bound(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises
    ------
    StoreError
        When the address is taken or isn't this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        what = f"can't listen on {host}, port {port}: {error.strerror or error}"
        raise StoreError(what, where="mulle serve", fix="choose another: --port 8081, or stop who has it") from error
    sock.set_inheritable(True)
    return sock
