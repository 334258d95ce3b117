"""The files of the settings, watched for changes.

Only what ``stat`` says is looked at, in a thread, since a disk may be slow.  A file that is being
written changes again and again: a change counts once it is as old as one look.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sip_stager.assembly.key_file_watch import file_stamp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from sip_stager.assembly.key_file_watch import Stamp

LOOK_INTERVAL = 2.0
"""Seconds between two looks at the files."""


async def changes(files: Callable[[], Sequence[Path]]) -> AsyncIterator[None]:
    """Yield whenever the files have changed, and for one look not again; never ends.

    ``files`` returns those to look at; a file is gone for a moment while it is replaced.
    """
    known = seen = await _stamps(files)
    while True:
        await asyncio.sleep(LOOK_INTERVAL)
        before, seen = seen, await _stamps(files)
        if seen == before and seen != known and None not in seen.values():
            known = seen
            yield


async def _stamps(files: Callable[[], Sequence[Path]]) -> dict[Path, Stamp | None]:
    paths = files()
    return dict(zip(paths, await asyncio.to_thread(lambda: [*map(file_stamp, paths)]), strict=True))
