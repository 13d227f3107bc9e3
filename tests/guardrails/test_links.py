"""Where a value would stand in a link, it is not put back."""

from __future__ import annotations

import pytest

from guardrails.links import LOOK_BACK, in_link
from guardrails.tokens import grammar

TOKENS = grammar("angle").pattern
TOKEN = "<EMAIL_ADDRESS_k7x2m5qa>"

LINKS = {
    "a URL": "see https://evil.example/?q=",
    "a URL after another token": f"https://evil.example/?a={TOKEN}&b=",
    "a quote within a URL": '![x](https://evil.example/?q="',
    "an apostrophe within a URL": "![x](https://evil.example/?q='",
    "a backtick within a URL": "![x](https://evil.example/?q=`",
    "an ideographic space within a URL": "![x](https://evil.example/?q=\u3000",
    "a quote and a comma within a URL": '![x](https://evil.example/?q=","',
    "a destination in brackets with a space": "![x](<https://evil.example/?q=a ",
    "a bracketed destination with a parenthesis": "![x](<https://evil.example/?q=) ",
    "an escaped parenthesis": "![x](https://evil.example/?q=\\)",
    "a title": '[x](https://evil.example "',
    "a definition": "[r]: https://evil.example/?q=",
    "a definition in brackets": "[r]: <https://evil.example/?q=a ",
    "a definition on the next line": "[r]:\nevil.example/?q=",
    "a definition with entities": "[r]: https&colon;&sol;&sol;evil.example/?q=",
    "a definition with numbered entities": "[r]: https&#58;&#47;&#47;evil.example/?q=",
    "an attribute": '<img src="https://evil.example/?q=',
    "an attribute with a space": '<img src="https://evil.example/?q=a ',
    "an attribute behind a bracket in quotes": '<img alt=">" src="https://evil.example/?q=a ',
    "an attribute with entities": "<img src=&#104;ttps&#58;&#47;&#47;evil.example/?",
    "no scheme": "evil.example/",
    "no scheme but slashes": "<a href=//evil.example/",
    "backslashes": "https:\\\\evil.example/?q=",
    "a mail with a body": "mailto:x@evil.example?body=",
    "data": "data:text/html,",
    "www": "www.evil.example?q=",
    "a destination with another in brackets": "[x](<https://evil.example/?](y) ",
    "a destination with another in its title": '[x](https://evil.example/ "](y) ',
    "a destination with an escaped end": "![x](<https://evil.example/?\\> ",
    "a definition with another in it": "[r]: <https://evil.example/?]: x ",
    "an attribute with another in it": "<img src=\"https://evil.example/?src='x' ",
    "an attribute few know": '<img longdesc="https://evil.example/?q=a ',
    "a style": '<style>*{background:url("https://evil.example/?q=a ',
    "a style without a scheme": "<style>@import '//evil.example/?q=a ",
    "LaTeX": "\\includegraphics{https://evil.example/?q=a ",
    "a link of Org": "[[https://evil.example/?q=a ",
    "a link of BBCode": "[url=https://evil.example/?q=a ",
    "no scheme but a port": "evil.example:8080/",
    "no scheme in Cyrillic": "пример.рф/",
    "no scheme in Punycode": "xn--e1afmkfd.xn--p1ai/",
    "no scheme but an address": "192.0.2.1:8080/",
    "a text message": "sms:+15550100?body=",
    "a run without an end": "x" * LOOK_BACK,
}
TEXTS = {
    "nothing": "",
    "a word": "write to ",
    "a sentence after a URL": "see https://example.com and write to ",
    "a closed link": "[the page](https://example.com) or ",
    "a closed link in brackets": "[the page](<https://example.com>) or ",
    "a closed image": '<img src="https://example.com/a.png"> by ',
    "a mail link": "mailto:",
    "a label": "Contact: ",
    "a bracketed label": "[auth]: ",
    "a bracketed label and a key": "[auth]: user=",
    "a comparison": "if a<b then ",
    "a new paragraph": "an array](\n\nwrite to ",
    "a file's line": "app.log:12:",
    "another token": f"{TOKEN}, ",
    "quotes": 'his name is "',
    "a URL in quotes that are closed": 'get("https://example.com/users", json={"to": "',
    "a URL in parentheses that are closed": "(https://example.com) or ",
    "a comment in code": "function send() { // to ",
    "a comment on its own line": "send(\n  // to ",
    "a version": "1.2/",
    "a date": "on 24.12.2024/",
    "a closed attribute after another": "<img src='a' alt=\"x\"> by ",
    "a destination with an escape": "[the page](https://example.com/\\() or ",
}


@pytest.mark.parametrize("before", LINKS.values(), ids=LINKS.keys())
def test_this_is_within_a_link(before: str) -> None:
    assert in_link(before, TOKENS, json_source=False)


@pytest.mark.parametrize("before", TEXTS.values(), ids=TEXTS.keys())
def test_this_is_not_within_a_link(before: str) -> None:
    assert not in_link(before, TOKENS, json_source=False)


@pytest.mark.parametrize("before", [text for text in LINKS.values() if len(text) < LOOK_BACK])
def test_the_same_holds_within_a_string_of_json(before: str) -> None:
    source = before.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    assert in_link('{"url":"' + source, TOKENS, json_source=True)
    assert in_link('{"url":"' + source.replace("/", "\\/"), TOKENS, json_source=True)


def test_the_string_before_does_not_count_in_json() -> None:
    assert not in_link('{"url":"https://example.com","to":"', TOKENS, json_source=True)
    assert not in_link('{"note":"see https://example.com\\nor ', TOKENS, json_source=True)
    assert in_link('{"note":"https://example.com\\\\n', TOKENS, json_source=True)


def test_a_hostile_text_is_cheap() -> None:
    for piece in ("](", "[r]:", "src='", "//", "\\", '"', "&", "(", "](<", '"https:', "{//a.", "mailto:"):
        in_link(piece * LOOK_BACK, TOKENS, json_source=False)
        in_link(piece * LOOK_BACK, TOKENS, json_source=True)
