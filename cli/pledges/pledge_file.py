"""Pledges in files: the one place that knows in which forms they are written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf import text_format

from cli.agreement.files import decoded, is_pledge, naming, read_bytes
from cli.agreement.findings import complain, errors, unreadable
from cli.output import Exit, end
from cli.publish_format import read_drafts
from protocol.agreement import Agreement
from protocol.errors import Reason, Refused, require
from protocol.statements.pledge import pledge as validate
from standstill.v1 import header_pb2, pledge_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from language.problem import Problem


class PledgeFile:
    """A pledge that somebody wrote: text of the language, the draft that `node publish` takes (JSON), or protobuf text.

    Attributes:
        by: the lab that the text of the language names; empty for the other forms, which name none.

    Raises:
        Refused: MESSAGE_MALFORMED if the file is not UTF-8.
        click.ClickException: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        data = read_bytes(path)
        self._file, self._text = str(path), decoded(data, str(path))
        self._stated = is_pledge(data)
        self.by = self._pledger() if self._stated else ""

    def read(self, lab: str, agreement: Agreement) -> pledge_pb2.Pledge:
        """The pledge under an agreement; errors in the text of one end the command with exit code 2.

        Args:
            lab: whose pledge it is to be; a lab of the agreement, or one that is to join.
            agreement: what it is made under.

        Raises:
            Refused: DRAFT_MALFORMED, or the rule of pledges that it breaks.
        """
        if self._stated:
            return self._compiled(lab, agreement)
        drafted = self._text.lstrip().startswith(("{", "["))
        found = _draft(self._text) if drafted else _message(self._text)
        validate(found, header_pb2.Header(), agreement)
        return found

    def _pledger(self) -> str:
        from language.lower_pledge import pledger
        from language.parse import parse
        from language.problem import Unreadable

        try:
            with naming(self._file, self._text):
                return pledger(parse(self._text))
        except Unreadable as error:
            self._tell(unreadable(error))
            end(Exit.USAGE)

    def _compiled(self, lab: str, agreement: Agreement) -> pledge_pb2.Pledge:
        from language.check import check_pledge
        from language.lower_pledge import CompiledPledge

        report = check_pledge(self._text, agreement, newcomer=lab)
        self._tell(report.problems)
        made = report.compiled
        if not isinstance(made, CompiledPledge) or errors(report.problems):
            end(Exit.USAGE)
        require(made.by == lab, Reason.DRAFT_MALFORMED, "pledge.by", f"expected {lab}, found {made.by}")
        return made.pledge

    def _tell(self, problems: Sequence[Problem]) -> None:
        complain(self._file, self._text, problems)


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
