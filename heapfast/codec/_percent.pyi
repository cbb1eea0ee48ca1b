def unescape(text: bytes) -> str:
    """Read a name or a value of a query string: `+` is a blank, `%` and two hexadecimal digits are a byte.

    Returns:
        Text, with surrogates for bytes that are no UTF-8 ("surrogateescape").
    """

def parse_query(raw: bytes) -> dict[str, str]:
    """Read a query string: the first value of each name, in order.

    A pair with a semicolon in it, or with a percent sign that no two digits follow, is as if it were not there.
    """

def values_of(raw: bytes, name: str) -> list[str]:
    """Read every value of one name, in order, of the same pairs."""
