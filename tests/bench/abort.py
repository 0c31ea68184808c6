"""How long a cancelled completion takes to end, at random moments of its work: `python tests/bench/abort.py`.

Each of the requests is for another text, so that there is a prompt to evaluate; it is cancelled after 0 to 2.5
seconds, and the time counts until the server has answered it. The answer comes when the evaluation has ended.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from pathlib import Path

from lsprotocol import types

from midfill.bench.processes import own_host
from midfill.bench.typing import default_paths
from midfill.client import editor, read
from midfill.text import Encoding


async def main(count: int = 200) -> None:
    chance = random.Random(5)
    path = Path(default_paths()[2])
    source = read(path)
    taken: list[float] = []
    with own_host():
        async with editor(path.parent, {"warmUp": False}) as window:
            document = window.open(path)
            await window.complete(document, document.text.position(len(document.text) // 2, Encoding.UTF32))
            for number in range(count):
                text = f"# {chance.random()}\n" + source[chance.randrange(len(source) // 2) :]
                document = window.open(path.with_name(f"a{number}.py"), text)
                at = document.text.position(chance.randrange(2000, 4000), Encoding.UTF32)
                answer = window.client.protocol.send_request_async(
                    types.TEXT_DOCUMENT_INLINE_COMPLETION,
                    types.InlineCompletionParams(
                        types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked),
                        types.TextDocumentIdentifier(document.uri),
                        types.Position(at.line, at.character),
                    ),
                    msg_id=f"abort-{number}",
                )
                asking = asyncio.ensure_future(answer)
                await asyncio.sleep(chance.uniform(0, 2.5))
                if asking.done():
                    continue
                started = time.perf_counter()
                window.client.cancel_request(types.CancelParams(f"abort-{number}"))
                await asyncio.gather(asking, return_exceptions=True)
                taken.append((time.perf_counter() - started) * 1000)
    taken.sort()
    ranks = {share: taken[min(int(len(taken) * share / 100), len(taken) - 1)] for share in (50, 95, 99)}
    print(f"{len(taken)} aborts: " + ", ".join(f"p{share} {ms:.0f} ms" for share, ms in ranks.items()))


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
