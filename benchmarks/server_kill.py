"""Kill -9 a server under load, again and again: is every prediction and every feedback that it told still there, once?

    python benchmarks/server_kill.py BUNDLE --rounds 200

Each round starts the server on the same log, lets clients ask for predictions and send feedback, kills it at a random
moment, and then looks every id that was answered up in the log. Predictions are *written* and feedback is *synced*, as
by default: both survive the death of the process. benchmarks/log_kill.py does the same to the log by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from demo_bundle import demo_bundle
from server_clients import Client, Server, body_of, served, workplace

from mulle.store.log import Feedback, Log
from mulle.store.log import Row as LogRow

CLIENTS = 16


async def _feedback(port: int, clients: list[Client], told: list[str], over: list[bool]) -> None:
    """Send feedback on what was predicted, and note what was acknowledged."""
    with suppress(OSError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not over:
            await asyncio.sleep(0.002)
            known = next((sent for sent in reversed(clients[0].sent[-3:]) if sent.status == 200), None)
            if known is None:
                continue
            id_ = known.told["prediction_id"]
            body = json.dumps({"prediction_id": id_, "outcome": known.unit}).encode()
            head = "POST /v1/feedback HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().split(b"content-length: ")[1].split(b"\r")[0])
            await reader.readexactly(length)
            if answer[9:12] == b"200":
                told.append(f"{id_} {known.unit}")


async def _killed(server: Server, clients: list[Client], told: list[str], seconds: float) -> None:
    over: list[bool] = []
    tasks = [asyncio.create_task(client.run(lambda: bool(over))) for client in clients]
    tasks.append(asyncio.create_task(_feedback(server.port, clients, told, over)))
    await asyncio.sleep(seconds)
    server.signal(signal.SIGKILL)
    over.append(True)
    await asyncio.gather(*tasks)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=200)
    told = parser.parse_args()
    bundle = demo_bundle(told.bundle)
    rng, row, began = np.random.default_rng(0), body_of(bundle), time.perf_counter()
    predictions: list[str] = []
    feedback: list[str] = []
    with workplace() as folder:
        for i in range(told.rounds):
            with served(bundle, folder, "--no-admin") as server:
                clients = [Client(server.port, row, f"k{i}c{j}") for j in range(CLIENTS)]
                asyncio.run(_killed(server, clients, feedback, rng.uniform(0.02, 0.6)))
            answered = [sent for client in clients for sent in client.sent if sent.status == 200]
            predictions += [sent.told["prediction_id"] for sent in answered]
        with Log.open(folder / ".mulle" / "log") as log:
            kept = Counter(one.id for one in _all(log, LogRow))
            said = Counter(f"{one.prediction_id} {json.loads(one.value)}" for one in _all(log, Feedback))
    print(f"kill -9 under load of {CLIENTS} clients, {told.rounds} times, {time.perf_counter() - began:.0f} s")
    for name, acknowledged, held in (("predictions", predictions, kept), ("feedback", feedback, said)):
        lost = sum(held[id_] == 0 for id_ in acknowledged)
        twice = sum(n > 1 for n in held.values())
        print(
            f"  {name:12} acknowledged {len(acknowledged):>8,}   LOST {lost}   twice {twice}   in the log {len(held):>8,}"
        )


def _all(log: Log, kind: Any) -> Any:
    return (one for chunk in log.read(kind) for one in chunk)


if __name__ == "__main__":
    main()
