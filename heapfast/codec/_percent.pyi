def unescape(text: bytes) -> str:
    """Read a name or a value of a query string: `+` is a blank, `%` and two hexadecimal digits are a byte.

    Returns:
        Text, with surrogates for bytes that are no UTF-8 ("surrogateescape").
    """
