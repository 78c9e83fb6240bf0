"""Write the reference of the language, docs/language.md, from its key table."""

from __future__ import annotations

from pathlib import Path

from language.reference import reference

FILE = Path(__file__).resolve().parent.parent / "docs" / "language.md"

if __name__ == "__main__":
    FILE.write_text(reference(), "utf-8")
