"""Values that nobody expects in a column, as JSON can carry them: the same for the runtime in Python and in JavaScript."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

NUMBERS: list[Any] = [
    None, "", " ", "NA", "n/a", "?", "—", "not available", "1,234.5", "€ 12", "12 %", "(3)", "1e3", "1,234,567.5",
    "1 234", "1'234.5", "12,34,567", "$5", "5 €", "USD 5", "5 USD", "₩1,000", "-$5", "(1,000)", "5-", "12.5%", "−12",
    "1.5e-3", "1,23", "1.2.3", "--1", "1_000", "0x10", "١٢", "five", "1,2345", "%", "$", "inf", "-Infinity", "+∞",
    "1e400", "-1e400", 1e308, -1e308, 5e-324, "5e-324", 0, -0.0, "-0", True, False, 2**53, 10**20, 10**400, 3.5, -2,
    "+7", ".5", "5.", "1e5", "E5", "e", "1.", "1,000.", "R$ 1.000", "kr 12", "12 kr", "krone 1", "１２", "\u20071",
    "\u00a01\u00a0234", "1\u202f234", "\ufeff1", "\x851", "\x1f1\x1c", "12 %%", "12% %", "(12%)", "-(3)", "(-3)",
    "+-3", "3e", "3e+2", "3E-2", "1\n", "1\u2028", "null", "NaN", "nan%", "INF", "İ", "ß", "1.234.567", "1.234,5",
    "0,5", "1.234", "-3", "9" * 400, "0." + "0" * 400 + "1", [], [1], {}, {"a": 1}, "😀", "\x001", "1\x00", "- 5",
    "5 -", "-5-", "()", "( )", "¢ 5", "5¢5", "1,234,56", "123,456,789.123", "12'345", "12’345", "1 234 567,8",
    "1\u2009234",
]  # fmt: skip
MOMENTS: list[Any] = [
    "2024-01-31", "2024-01-31T09:30:00Z", "2024-01-31 09:30", "2024-1-3", "2024-02-30", "2024-13-01", "0000-01-01",
    "0001-01-01", "9999-12-31T23:59:59.999999", "2024/01/31", "2024.01.31", "2024. 1. 31.", "2024년 1월 31일",
    "31.01.2024", "31 Jan 2024", "31-jan-2024", "Jan 31, 2024", "January 31 2024", "sept. 3, 2024", "Sept 3 2024",
    "Wed, 31 Jan 2024 10:00:00 GMT", "20240131", "20240131T093000", "5/1/2024", "31/01/2024", "31/01/2024 9:30 pm",
    "12/31/2024", "2024-01-31T09:30:00+09:00", "2024-01-31T09:30:00-0530", "2024-01-31 09:30:00.123456789",
    "2024-01-31 09:30:00,5 +02", "2024-01-31 12:00 am", "2024-01-31 12:00 p.m.", "2024-01-31 13:00 pm",
    "2024-01-31 24:00", "2024-01-31 23:60", "2024-01-31t09:30z", "2024-01-31,  09:30 UTC", "1/2/70", "1/2/68",
    "1/2/69", "1/2/00", 0, 1, -1, 1.5, 1700000000, 1700000000.123456, 1700000000123, 1700000000123456,
    1700000000123456789, 1e11, 1e14, 1e17, 1e20, 1e21, -62135596800, -62135596801, 253402300799, 253402300800,
    "1700000000", "1700000000.5", "-5", "+5", 20240131, 20240131.0, 20240131.5, True, "nat", "None", "", None,
    "yesterday", "2024-01-31\u00a009:30", "2024-01-31\x0b09:30", " 2024-01-31 ", "２０２４-01-31", "31 ene 2024",
    "Feb 29 2023", "Feb 29 2024", "0900-01-01", "1600-02-29", [], {}, "9999-12-31T23:59:59-23:59", "1582-10-10",
    "12345678901234567890", 1e400, 0.0000005, 1.0000005, 1.0000015, 2.5e-6, -0.0000005, -1.0000005,
]  # fmt: skip
WORDS: list[Any] = [
    None, "", " ", "red", "Red ", " RED", "blue", "blu\u0065\u0301", "blué", "never seen", "박사", "박사",
    "\u1112\u1161\u11ab", "1", "1.0", "01", 1, 1.0, 1.5, 1e15, 1e-5, 1.5e-7, 123456.789e-10, 0.1, -0.0, 1e22,
    1.7976931348623157e308, True, False, "true", "?", "NA", "ΣΑΣ", "ΑΣ", "İstanbul", "ß", "ﬁ", "Å", "\u212b",
    "\ufeffred", "\x85red", "red\x00", "\x00", "😀", "e\u0301\u0302", "a\x1fb", "\x1f", "a\nb", "\t", "x" * 3000,
    "1e3", "1E+03", "١", "0x1", [], ["a"], {}, "\ud800", "a\udc00b", "½", "\u3000red\u3000", 10**15, 10**17 // 10,
    "1e400", "nan", "inf", "-1.50", "+2", "1_0",
]  # fmt: skip
LISTS: list[Any] = [
    None, "", [], ["a", "b"], ["b", "a", "a"], '["a", "b"]', "a|b", "a;b", "a,b", "['x', 'y']", "[x, 'y']", "[", "[]",
    "[1, 2.0, null, true]", '[NaN, "NaN", -Infinity]', '["a" "b"]', "a\x1fb", ["a\x1fb"], [1, 2.5, None, False],
    [["a"]], {}, 5, True, " a | b ", "a||b", "|", "é|e\u0301", ["É", "é"], '[{"a": 1}]', "[1e3, 0.1]", "a;b|c",
    "[ 'it''s' ]", '["\\u00e9"]', "\x1fa\x1f", "?", ["?", "a"],
]  # fmt: skip
TRUTHS: list[Any] = [
    None, True, False, 0, 1, 2, 0.0, 1.0, 0.5, "yes", "YES ", "no", "Y", "n", "on", "off", "예", "아니오", "ja", "sí",
    "SÍ", "nein", "?", "NA", "maybe", "", "1.0", "true", "T", "oui", [], {}, "\u3000yes", "unknown", "alive", "dead",
    "si\u0301",
]  # fmt: skip
TEXTS: list[Any] = [
    None, "", "good", "Good GOOD good", "the quick brown fox, jumps; over the lazy dog!", "ＡＢＣ ½ ﬁ", "물레는 실을 잣는다",
    "naïve café", "İIıi ΣΑΣ ΟΔΟΣ", "don't stop", "a", "\u00adsoft", "😀 smile 😀", "日本語のテキスト。", "x" * 25000,
    "word " * 6000, "\x00\x01", "e\u0301 e\u0301", "tab\tnew\nline", "Ⅷ ① ㎏", "ǅ ǆ", 12, 1.5, True, "\u2028a\u2029b",
    "a\u200db", "नमस्ते", "مرحبا", "\ufb03", "\U0001d54f\U00020000 z", [], "\ud83d alone",
]  # fmt: skip
VALUES = {
    "number": NUMBERS,
    "place": NUMBERS,
    "datetime": MOMENTS,
    "category": WORDS,
    "id": WORDS,
    "list": LISTS,
    "boolean": TRUTHS,
    "text": TEXTS,
}


def carried(value: Any) -> Any:
    """Return a value as JSON carries it to both: infinity and NaN can't travel, numbers are doubles."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**1000:
        return None
    return value


def mixed(rng: np.random.Generator, kind: str) -> Any:
    """Draw a value of a kind, sometimes of another."""
    held = VALUES[kind if rng.random() < 0.9 else str(rng.choice(sorted(VALUES)))]
    return carried(held[int(rng.integers(len(held)))])
