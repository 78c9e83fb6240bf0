"""What every test of a refusal needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from protocol.errors import Reason, Refused


@contextmanager
def refuses(reason: Reason, field: str | None = None) -> Iterator[pytest.ExceptionInfo[Refused]]:
    """Expect a refusal with this reason, and at this field if one is named."""
    with pytest.raises(Refused) as caught:
        yield caught
    assert caught.value.reason is reason, str(caught.value)
    if field is not None:
        assert caught.value.field == field
