"""`standstill agreement` on texts of the language: new, check, fmt, show, compile, pledge."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from language.presets import PRESETS
from tests.cli.agreement_texts import PLEDGE, SMALL, write_parties, write_small


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_small(tmp_path)


def said(capsys: pytest.CaptureFixture[str], *command: str, code: int = 0) -> str:
    assert run(["agreement", *command]) == code, capsys.readouterr()
    return capsys.readouterr().out


def data(capsys: pytest.CaptureFixture[str], *command: str, code: int = 0) -> Any:
    envelope = json.loads(said(capsys, *command, "--json", code=code))
    assert envelope["exit"] == code
    assert envelope["schema"] == f"standstill/agreement.{command[0]}/1"
    return envelope["data"]


@pytest.mark.parametrize("name", PRESETS)
def test_new_writes_a_preset_that_fmt_leaves_alone(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.agreement"

    assert said(capsys, "new", "--preset", name, "-o", str(path)) == ""
    assert path.read_text() == PRESETS[name].text
    assert said(capsys, "fmt", str(path), "--check") == ""


def test_new_lists_presets_and_tells_their_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert [line.split()[0] for line in said(capsys, "new", "--list").splitlines()] == list(PRESETS)
    assert [row["preset"] for row in data(capsys, "new", "--list")["presets"]] == list(PRESETS)
    assert said(capsys, "new", "--preset", "miri-2025", "--about") == PRESETS["miri-2025"].about
    assert data(capsys, "new")["text"] == PRESETS["frontier-lab"].text


def test_new_refuses_an_unknown_preset_and_a_file_that_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.agreement"
    path.write_text("hours of work")

    assert run(["agreement", "new", "--preset", "miri"]) == 2
    assert "expected one of frontier-lab, miri-2025," in capsys.readouterr().err
    assert run(["agreement", "new", "-o", str(path)]) == 2
    assert path.read_text() == "hours of work"


def test_new_begins_with_parties_of_one_s_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parties = ["--party", "alpha:lab:Alpha Inc", "--party", "beta:lab", "--party", "vera:verifier"]
    found = data(capsys, "new", *parties, "--start", "2028-02-01T00:00Z")
    assert found["preset"] is None
    for line in ('party alpha { role = lab   owner = "Alpha Inc"', 'owner = "beta"', "start = 2028-02-01T00:00Z"):
        assert line in found["text"]


@pytest.mark.parametrize(
    "options",
    [
        ["--party", "alpha:lab"],
        ["--party", "alpha", "--party", "vera:verifier"],
        ["--party", "alpha:king", "--party", "vera:verifier"],
        ["--party", "Alpha:lab", "--party", "vera:verifier"],
        ["--party", "alpha:lab", "--party", "alpha:verifier"],
        ["--party", 'alpha:lab:say "', "--party", "vera:verifier"],
        ["--party", "alpha:lab", "--party", "vera:verifier", "--preset", "miri-2025"],
    ],
)
def test_new_refuses_parties_that_make_no_agreement(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.agreement"
    assert run(["agreement", "new", *options, "-o", str(path)]) == 2
    assert "--party" in capsys.readouterr().err
    assert not path.exists()


def test_new_refuses_a_start_that_is_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["agreement", "new", "--party", "alpha:lab", "--party", "vera:verifier", "--start", "yesterday"]) == 2
    assert "Invalid value for --start: start is a date such as 2027-01-03T00:00Z" in capsys.readouterr().err


def test_check_names_place_and_remedy(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small.write_text(SMALL.replace("1e24 FLOP", "1e24 FLOPs"))
    line = SMALL.splitlines().index("    significant_quantity = 1e24 FLOP") + 1

    out = said(capsys, "check", str(small), code=2)
    assert out.startswith(f"{small}:{line}:33: error unknown-unit: FLOPs. Did you mean FLOP?\n")
    assert "                                 ^^^^^\n" in out
    (problem,) = data(capsys, "check", str(small), code=2)["problems"]
    assert (problem["line"], problem["column"], problem["end_column"]) == (line, 33, 38)
    assert (problem["code"], problem["severity"], problem["file"]) == ("unknown-unit", "error", str(small))


def test_check_finds_errors_of_meaning(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small.write_text(SMALL.replace("called_by = both", "called_by = nobody"))

    assert "error unknown-name: nobody is no rule" in said(capsys, "check", str(small), code=1)


def test_check_passes_what_is_only_doubtful_unless_it_is_strict(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = said(capsys, "check", str(small))
    assert "warning split-quorum" in out
    assert out.splitlines()[-1].startswith(f"{small}: 0 errors, 1 warning, ")
    assert "warning split-quorum" in said(capsys, "check", str(small), "--strict", code=1)


def test_check_tells_clauses_without_a_source_when_asked(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "uncited" not in said(capsys, "check", str(small))
    assert "uncited" in said(capsys, "check", str(small), "--citations")


def test_check_of_several_files_ends_with_the_gravest(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong, broken = tmp_path / "wrong", tmp_path / "broken"
    wrong.write_text(SMALL.replace("called_by = both", "called_by = nobody"))
    broken.write_text(SMALL[:-4])

    said(capsys, "check", str(small), str(wrong), code=1)
    out = said(capsys, "check", str(small), str(wrong), str(broken), code=2)
    assert all(f"{path}: " in out for path in (small, wrong, broken))


def test_a_text_compiles_to_bytes_that_show_the_same_page(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, parties = tmp_path / "small", write_parties(tmp_path)

    digest = said(capsys, "compile", str(small), *parties, "-o", str(out)).strip()
    assert sha256(out.read_bytes()).hexdigest() == digest
    of_text = said(capsys, "show", str(small), *parties)
    assert digest in of_text
    assert said(capsys, "show", str(out)).split("CHECK")[0] == of_text.split("CHECK")[0]


def test_text_written_from_bytes_compiles_to_the_same_bytes(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other, text = (tmp_path / name for name in ("one", "other", "text"))
    said(capsys, "compile", str(small), *write_parties(tmp_path), "-o", str(one))

    text.write_text(said(capsys, "fmt", str(one)))
    said(capsys, "compile", str(text), "-o", str(other))
    assert other.read_bytes() == one.read_bytes()


def test_refuses_to_compile_while_keys_are_to_come(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small"

    assert run(["agreement", "compile", str(small), *write_parties(tmp_path)[:-2], "-o", str(out)]) == 2
    assert "keys of vera are missing" in capsys.readouterr().err
    assert not out.exists()


def test_a_draft_is_shown_without_a_digest(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "show", str(small))
    assert "draft, keys to come" in out
    assert "DIGEST" not in out
    shown = data(capsys, "show", str(small))
    assert (shown["digest"], shown["draft"]) == (None, True)


def test_show_names_the_line_behind_a_sentence(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = next(n for n, text in enumerate(SMALL.splitlines(), 1) if "trigger" in text)

    shown = data(capsys, "show", str(small))
    sentences = [one for section in shown["sections"] for one in section["sentences"]]
    (trigger,) = [one for one in sentences if one["clause"] == "levels.pause.trigger"]
    assert trigger["line"] == line
    assert "(both)." in trigger["text"]
    assert f"[{small}:{line}]" in " ".join(said(capsys, "show", str(small), "--clauses").split())
    assert f"[{small}:{line}]" not in said(capsys, "show", str(small))


def test_show_makes_a_page_for_printing_from_what_it_does_not_trust(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small.write_text(SMALL.replace("length of task", "<script>alert(1)</script>"))

    out = said(capsys, "show", str(small), "--html")
    assert out.startswith("<!doctype html>\n")
    assert out.endswith("</html>\n")
    assert "<script" not in out
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in out


def test_show_refuses_a_text_with_errors(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small.write_text(SMALL.replace("called_by = both", "called_by = nobody"))
    assert run(["agreement", "show", str(small)]) == 1
    assert "unknown-name" in capsys.readouterr().err
    small.write_text(SMALL[:-4])
    assert run(["agreement", "show", str(small)]) == 2
    assert "unclosed" in capsys.readouterr().err


def test_fmt_lays_out_and_keeps_comments(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "fmt", str(small))
    assert "# Two labs and a verifier.\n" in out
    difference = said(capsys, "fmt", str(small), "--check", code=1)
    assert difference.startswith(f"--- {small}\n+++ {small}, laid out\n")
    assert small.read_text() == SMALL

    assert said(capsys, "fmt", str(small), "--write") == ""
    assert small.read_text() == out
    assert said(capsys, "fmt", str(small), "--check") == ""
    assert data(capsys, "fmt", str(small)) == {"changed": False, "text": out}


def test_fmt_refuses_what_it_cannot_read(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small.write_text(SMALL[:-4])
    assert run(["agreement", "fmt", str(small)]) == 2
    assert "unclosed" in capsys.readouterr().err
    assert run(["agreement", "fmt", "-", "--write"]) == 2


def test_reads_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(SMALL.encode())))
    assert said(capsys, "check", "-").splitlines()[-1].startswith("-: 0 errors")


def test_a_table_of_chips_lies_beside_the_text(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small.write_text(SMALL.replace("founding =", 'chip_table = "chips.csv"\n  founding ='))
    assert run(["agreement", "check", str(small)]) == 2
    assert "chips.csv: expected a readable file" in capsys.readouterr().err

    columns = "chip_class,bf16_tflops,fp8_tflops,train_low,train_high,serve_low,serve_high,idle_low,idle_high,off_high"
    row = "X100,100,,300,900,200,700,50,90,5,vendor"
    (small.parent / "chips.csv").write_text(f"{columns},source\n{row}\n")
    assert "X100: at most 100 TFLOP/s" in " ".join(said(capsys, "show", str(small)).split())


@pytest.fixture
def pledge(tmp_path: Path) -> Path:
    path = tmp_path / "alpha.pledge"
    path.write_text(PLEDGE)
    return path


def test_a_pledge_becomes_what_a_node_publishes(small: Path, pledge: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draft = json.loads(said(capsys, "pledge", str(pledge), "--under", str(small)))
    assert draft["kind"] == "Pledge"
    (clause,) = draft["body"]["clauses"]
    assert clause["provided"] == {"keeps": {"level": 1, "k": 1, "of": ["beta"]}}
    found = data(capsys, "pledge", str(pledge), "--under", str(small))
    assert (found["by"], found["draft"]) == ("alpha", draft)

    out = pledge.with_suffix(".json")
    said(capsys, "pledge", str(pledge), "--under", str(small), "-o", str(out))
    assert json.loads(out.read_text()) == draft


def test_refuses_a_pledge_with_errors(small: Path, pledge: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pledge.write_text(PLEDGE.replace("beta keeps pause", "delta keeps peace"))
    assert run(["agreement", "pledge", str(pledge), "--under", str(small)]) == 1
    assert f"{pledge}:5:" in capsys.readouterr().err
    pledge.write_text(PLEDGE[:-4])
    assert data(capsys, "pledge", str(pledge), "--under", str(small), code=2)["problems"][0]["code"] == "unclosed"


def test_check_reads_pledges_under_their_agreement(
    small: Path, pledge: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["agreement", "check", str(pledge)]) == 2
    assert "name its agreement with --under" in capsys.readouterr().err
    assert f"{pledge}: " in said(capsys, "check", str(pledge), "--under", str(small))

    pledge.write_text(PLEDGE.replace("beta keeps pause", "not beta keeps pause"))
    out = said(capsys, "check", str(pledge), "--under", str(small), code=1)
    assert out.startswith(f"{pledge}:5:")
    assert "error not-monotone" in out
    pledge.write_text(PLEDGE[:-4])
    said(capsys, "check", str(pledge), "--under", str(small), code=2)


def test_check_tells_whether_pledges_together_bind_anybody(
    small: Path, pledge: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = pledge.with_name("beta.pledge")
    other.write_text(PLEDGE.replace("by = alpha", "by = beta").replace("beta keeps", "alpha keeps"))
    together = ("check", str(pledge), "--under", str(small), "--with", str(other))
    assert "unbacked" not in said(capsys, *together)

    other.write_text(PLEDGE.replace("by = alpha", "by = beta").replace("beta keeps pause", "never"))
    assert "warning unbacked" in said(capsys, *together)
    other.write_text(PLEDGE[:-4])
    said(capsys, *together, code=2)


SAID = PRESETS["two-lab-bilateral"].text.encode()
UNREADABLE = {
    "bytes": bytes(range(256)) * 40,
    "nothing but bytes": b"\x00" * 64,
    "latin": 'agreement "\u00c4" {}'.encode("latin-1"),
    "two bytes a letter": SAID.decode().encode("utf-16"),
    "old Mac line ends": SAID.replace(b"\n", b"\r"),
    "ten megabytes": SAID + b"# " + b"x" * 10_000_000,
    "brackets": b"agreement " + b"{ a" * 200_000,
    "braces of JSON": b'{"language": 1}',
    "a word": b"hello",
    "turned round": SAID.replace(b"# Preset", "# \u202ePreset".encode()),
}


@pytest.mark.parametrize("command", ["check", "show", "fmt", "compile", "try"])
@pytest.mark.parametrize("written", UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_is_no_terms_is_refused_in_one_short_problem(
    command: str, written: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.agreement"
    path.write_bytes(written)
    out = ["-o", str(tmp_path / "out")] if command == "compile" else ["--on", "demo"] if command == "try" else []

    assert run(["agreement", command, str(path), *out]) == 2
    told = "".join(capsys.readouterr())
    assert f"{path}" in told
    assert ": error " in told
    assert len(told) < 1_000
    assert all(letter.isprintable() or letter == "\n" for letter in told)


@pytest.mark.parametrize(
    "change",
    [lambda said: b"\xef\xbb\xbf" + said, lambda said: said.replace(b"\n", b"\r\n")],
    ids=["byte order mark", "CRLF"],
)
def test_marks_and_line_ends_of_other_editors_change_nothing(
    change: Callable[[bytes], bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.agreement"
    path.write_bytes(change(SAID))

    assert "0 errors" in said(capsys, "check", str(path))
    assert said(capsys, "fmt", str(path)) == SAID.decode()


def test_standard_input_that_is_no_terms_is_shown_with_its_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"agreement x {\n  late: 2 h }")))

    assert said(capsys, "check", "-", code=2).splitlines()[:2] == [
        "-:2:7: error syntax: ':' stands for nothing here; a key and its value are joined by =",
        "    2 |   late: 2 h }",
    ]


def test_a_table_of_chips_that_is_none_is_told_by_its_own_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.agreement"
    path.write_bytes(SAID.replace(b"chip_table = preset", b'chip_table = "chips.csv"'))
    (tmp_path / "chips.csv").write_text("a,b\n1,2\n")

    assert said(capsys, "check", str(path), code=2).startswith(
        f"{tmp_path / 'chips.csv'}:1:1: error bad-table: columns"
    )
