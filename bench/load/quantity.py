"""Kubernetes' quantities, as few of them as answers about usage have.

In      text such as "250013137n" or "20Mi"
Out     a number
Callers model.py
Source  spec/metrics-k8s-io.md 3
Never   asks heapfast's own codec: that one is under test
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

_SUFFIXES: Final = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 10**3),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
}


def parse_quantity(text: str) -> Fraction:
    """Raises ValueError."""
    digits = text.rstrip("numkKMGTi")
    suffix = text[len(digits) :]
    if suffix not in _SUFFIXES:
        raise ValueError(f"cannot read a quantity: got {text!r}, want a number and one of {', '.join(_SUFFIXES)}")
    return Fraction(digits) * _SUFFIXES[suffix]
