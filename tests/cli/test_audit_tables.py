"""Tables and lines: folded for a terminal, one line each for everything else."""

from __future__ import annotations

import io

import pytest

from cli.tables import Look, Page, colored

SENTENCE = " ".join(["gamma is not confirmed."] * 8)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def test_a_terminal_gets_lines_folded_between_words_with_an_indent() -> None:
    stream = Terminal()

    Page(Look("never"), stream).line(f"  {SENTENCE}")

    first, *others = stream.getvalue().splitlines()
    assert first.startswith("  gamma is")
    assert all(line.startswith("    ") and line[4] != " " for line in others)
    assert max(map(len, [first, *others])) <= 80
    assert " ".join(" ".join([first, *others]).split()) == SENTENCE


def test_anything_else_gets_one_line() -> None:
    stream = io.StringIO()

    Page(Look(), stream).line(SENTENCE)

    assert stream.getvalue() == SENTENCE + "\n"


def test_a_table_is_folded_on_a_terminal_only() -> None:
    rows = [["alpha", SENTENCE], ["beta", "short"]]
    terminal, other = Terminal(), io.StringIO()
    for stream in (terminal, other):
        Page(Look("never"), stream).table(["LAB", "WHY"], rows)

    assert max(map(len, terminal.getvalue().splitlines())) <= 80
    assert [line.split()[0] for line in other.getvalue().splitlines()] == ["LAB", "alpha", "beta"]
    assert not any(line.endswith(" ") for line in other.getvalue().splitlines())


@pytest.mark.parametrize(
    ("color", "no_color", "terminal", "expected"),
    [
        ("auto", False, True, True),
        ("auto", True, True, False),
        ("auto", False, False, False),
        ("never", False, True, False),
        ("always", True, False, True),
    ],
)
def test_colour_follows_flag_environment_and_terminal(
    monkeypatch: pytest.MonkeyPatch, color: str, no_color: bool, terminal: bool, expected: bool
) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal() if terminal else io.StringIO()

    Page(Look(color), stream).line(colored("[B] breached", "#D55E00"))

    assert ("38;" in stream.getvalue()) is expected
    assert "[B] breached" in stream.getvalue()


def test_square_brackets_are_text_and_no_markup() -> None:
    stream = io.StringIO()

    Page(Look(), stream).line("[bold]vera.example/log[9][/bold] :smile:")

    assert stream.getvalue() == "[bold]vera.example/log[9][/bold] :smile:\n"


def test_ascii_spells_out_the_rest() -> None:
    stream = io.StringIO()
    page = Page(Look(only_ascii=True), stream)

    page.line("frontière ", colored("é", "#D55E00"))
    page.table(["LAB"], [["bêta"]])

    assert stream.getvalue() == "fronti\\xe8re \\xe9\nLAB\nb\\xeata\n"
