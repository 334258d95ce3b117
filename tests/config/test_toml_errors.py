"""An invalid file is explained without showing values, which may be secret."""

from __future__ import annotations

import pytest

from tests.config.settings_folder import KEY, RIGHT, Folder

QUOTES = "write text in straight quotes"
EACH = "write [[trunks]] each time"


@pytest.mark.parametrize(
    ("text", "line", "wrong", "right"),
    [
        ("[trunks]\na = 1\n[trunks]\n", 3, "[trunks] is a list of tables", EACH),
        ("[[trunks]]\na = 1\n[ trunks ] # x\n", 3, "[trunks] is a list of tables", EACH),
        ("[trunks]\na = 1\n[[trunks]]\nb = 1", 3, "[trunks] is a list of tables", EACH),
        ("[api]\na = 1\n[api]\n", 3, "[api] is there twice", "merge the two"),
        ("[api]\nmode = 1\nmode = 2\n[http]\n", 3, "mode is there twice", "remove one"),
        ("a = [\n1]\na = [\n2]\n", 4, "a key is there twice", "remove one"),
        ("[[trunks]]\nname = ovh\n", 2, "is not TOML: Invalid value", QUOTES),
        ("name = \u201covh\u201d\n", 1, "is not TOML: Invalid value", QUOTES),
        ("address = 192.0.2.1\n", 1, "is not TOML: Expected newline", QUOTES),
        ("networks = [192.0.2.0/24]\n", 1, "is not TOML: Unclosed array", QUOTES),
        ("[api]\nmode: sync\n", 2, "is not TOML: Expected '='", "= and its value"),
        ("[api\n", 1, "is not TOML: Expected ']'", "https://toml.io"),
    ],
)
def test_invalid_toml_is_answered_with_a_valid_form(
    folder: Folder, text: str, line: int, wrong: str, right: str
) -> None:
    (mistake,) = folder.mistakes(text)
    assert (mistake.line, mistake.key) == (line, "")
    assert mistake.wrong.startswith(wrong)
    assert right in mistake.right


@pytest.mark.parametrize("line", [f"key = {KEY}", f"{KEY}", f"key = '{KEY}'\nkey = '{KEY}'"])
def test_an_api_key_on_an_invalid_line_is_not_shown(folder: Folder, line: str) -> None:
    (mistake,) = folder.mistakes(RIGHT.replace("[api]", f"[api]\n{line}"))
    assert KEY not in str(mistake)
