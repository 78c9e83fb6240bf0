"""The record in a verifier's directory, to try terms on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import verifier.schema  # noqa: F401 - its tables belong to the store
from cli.verifier import CONFIG
from daemon.config import load_config
from daemon.enrolment import store_url
from daemon.log_store import open_store
from daemon.startup import pinned_agreement
from verifier.config import VerifierSettings
from verifier.history import history
from verifier.store import VerifierStore

if TYPE_CHECKING:
    from pathlib import Path

    from protocol.agreement import Agreement
    from protocol.closing import Record


@contextmanager
def recorded(home: Path) -> Iterator[tuple[Agreement, Iterator[Record]]]:
    """The agreement of a verifier and every record that it holds; it may be running meanwhile.

    Raises:
        ConfigError: no configuration of a verifier.
        Refused: NOT_FOUNDED, TRUST_ROOT_MISMATCH, STORE_ABSENT, STORE_VERSION, STORE_UNAVAILABLE.
    """
    settings = load_config(home / CONFIG, VerifierSettings)
    agreement = pinned_agreement(settings, home)
    with closing(open_store(store_url(settings.store, home), writer=False)) as logs:
        yield agreement, history(agreement, VerifierStore(logs))
