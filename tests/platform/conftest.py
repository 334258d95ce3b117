from __future__ import annotations

from tests.support.api_fixtures import (  # noqa: F401
    call,
    client,
    deadlines,
    fake,
    noticed_at_once,
    noticed_late,
    pytest_asyncio_loop_factories,
)
