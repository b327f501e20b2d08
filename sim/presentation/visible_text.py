"""Texts without characters that change how other text is shown: control characters, escapes and bidirectional marks."""

from __future__ import annotations

import re
from unicodedata import category

_PLAIN = re.compile(r"[ -~\n]*")
_KEPT = frozenset("\n\t\u00ad\u200c\u200d")
"""Line breaks, tabs, soft hyphens, and the joiners that some scripts and emoji need."""
_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories: control, format (bidirectional marks, invisible characters), surrogate, line, paragraph."""


def visible(text: str) -> str:
    r"""The text with control and format characters as escapes: `\x1b`, `\u202e`."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(_escape(sign) if category(sign) in _ESCAPED and sign not in _KEPT else sign for sign in text)


def _escape(sign: str) -> str:
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
