from heapfast.store.requirement import Selector

def parse_selector(text: str) -> Selector:
    """Parse a selector of labels; white space between tokens is free.

    Raises:
        QueryError: with the reason, without the selector in front.
    """

def parse_field_selector(text: str) -> Selector:
    """Parse a selector of fields; blanks count, terms that are empty do not.

    Returns:
        Requirements with Operator.IN or NOT_IN and one value each.

    Raises:
        QueryError: a term without an operator, or an escape or `=` that does not belong in a value.
    """
