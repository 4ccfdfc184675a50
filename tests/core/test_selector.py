"""Series keys and selectors: what is canonical, what is refused, what is meant."""

from __future__ import annotations

import pytest

from awry.core.errors import InvalidSelector, Overloaded
from awry.core.selector import parse_selector
from awry.core.series_key import canonical, format_key, parse_key
from awry.core.series_table import SeriesLimits, SeriesTable


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a.b.c", "a.b.c"),
        ("a{}", "a"),
        ('a{y="2", x="1"}', 'a{x="1",y="2"}'),
        ('a{x=""}', "a"),
        ('a{x="q\\"\\\\n"}', 'a{x="q\\"\\\\n"}'),
        ('a{x="é,}"}', 'a{x="é,}"}'),
    ],
)
def test_canonical(text: str, key: str) -> None:
    """Labels are sorted, empty ones left out, escapes kept; canonical text is its own canonical form."""
    assert canonical(text) == key
    assert canonical(key) == key
    assert format_key(*parse_key(key)) == key


@pytest.mark.parametrize("text", ["", "{}", "a{", "a{x}", 'a{x="1"', "a\nb", 'a{x="1",x="2"}', 'a"b', "a{x=1}", "a" * 5000])
def test_refused_key(text: str) -> None:
    """What cannot be a key is refused with a reason."""
    with pytest.raises(InvalidSelector):
        canonical(text)


@pytest.mark.parametrize(
    ("selector", "means"),
    [
        ("", True),
        ("*", True),
        ("cpu.load", True),
        ("cpu.*", True),
        ("*load", True),
        ("cpu", False),
        ('{host="w1"}', True),
        ('cpu.load{host=~"w[0-9]"}', True),
        ('cpu.load{host=~"w"}', False),
        ('{host!="w1"}', False),
        ('{rack!="r1"}', True),
        ('{host!~"x.*",env="prod"}', True),
        ('{__name__=~"cpu[.].*"}', True),
    ],
)
def test_selector(selector: str, means: bool) -> None:
    """Conditions hold together; regular expressions are anchored; an absent label is empty."""
    assert parse_selector(selector).matches_key('cpu.load{env="prod",host="w1"}') is means


@pytest.mark.parametrize("text", ["{", '{x=~"("}', '{x=~"(?=a)b"}', '{x=~"(a)\\\\1"}', "{x}", '{x=="1"}', "a" * 5000])
def test_refused_selector(text: str) -> None:
    """What does not parse is refused."""
    with pytest.raises(InvalidSelector):
        parse_selector(text)


def test_expression_takes_linear_time() -> None:
    """An expression that would keep a backtracking engine busy for centuries answers at once, with any letters."""
    assert not parse_selector('{x=~"(a+)+b"}').matches("m", (("x", "a" * 4000),))
    assert parse_selector('{x=~"(é|.)*\\n?c"}').matches("m", (("x", "éb\nc"),))


def test_table_keeps_to_its_limits() -> None:
    """Beyond the limit a new series is refused and counted; known ones go on."""
    table = SeriesTable(SeriesLimits(total=2))
    assert [table.intern_text(t) for t in ("a", "b", "a", "b{}")] == [0, 1, 0, 1]
    with pytest.raises(Overloaded):
        table.intern_text("c")
    assert (table.refused_limit, table.intern_text("a")) == (1, 0)
    table.forget([0])
    assert (table.intern_text("c"), table.intern_text("b"), table.find("a")) == (2, 1, -1)


def test_raw_index_keeps_many_keys_apart() -> None:
    """Ten thousand keys of all lengths, empty one included, are each found again."""
    from awry.core.raw_index import RawIndex

    index = RawIndex(16)
    keys = [b"k" * (i % 40) + str(i).encode() for i in range(10_000)] + [b""]
    for slot, key in enumerate(keys):
        index.add(key, slot)
    assert [index.find(k) for k in keys] == list(range(len(keys)))
    assert index.find(b"none") == -1
