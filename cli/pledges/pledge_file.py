"""Pledges in files: the one place that knows in which forms they are written."""

from __future__ import annotations

from google.protobuf import text_format

from cli.publish_format import read_drafts
from protocol.agreement import Agreement
from protocol.errors import Reason, Refused, require
from protocol.statements.pledge import pledge as validate
from standstill.v1 import header_pb2, pledge_pb2


def read_pledge(text: str, agreement: Agreement) -> pledge_pb2.Pledge:
    """Read a pledge: the draft that `node publish` takes (JSON), or the text form of the protobuf message.

    Raises:
        Refused: DRAFT_MALFORMED, or the rule of pledges that it breaks.
    """
    found = _draft(text) if text.lstrip().startswith(("{", "[")) else _message(text)
    validate(found, header_pb2.Header(), agreement)
    return found


def _draft(text: str) -> pledge_pb2.Pledge:
    drafts = read_drafts(text, {})
    pledges = [draft for draft in drafts if draft.kind == header_pb2.KIND_PLEDGE]
    require(len(pledges) == 1, Reason.DRAFT_MALFORMED, "statement", f"expected one Pledge, found {len(pledges)}")
    return pledge_pb2.Pledge.FromString(pledges[0].body)


def _message(text: str) -> pledge_pb2.Pledge:
    try:
        return text_format.Parse(text, pledge_pb2.Pledge())
    except text_format.ParseError as error:
        raise Refused(Reason.DRAFT_MALFORMED, "pledge", str(error)) from error
