"""Kubernetes quantities. Readers raise ParseError; all numbers are int64."""

def parse_milli_value(text: str) -> int:
    """Read a quantity as thousandths, rounded away from zero."""

def parse_value(text: str) -> int:
    """Read a quantity as whole units, rounded away from zero."""

def format_cpu_millicores(millicores: int) -> str:
    """Write millicores as canonical CPU text: 1500 is "1500m", 2000 is "2"."""

def format_cpu_nanocores(nanocores: int) -> str:
    """Write nanocores as canonical CPU text: 1500 is "1500n", 250000000 is "250m"."""

def format_memory_bytes(n_bytes: int) -> str:
    """Write bytes as canonical memory text: 1536 is "1536", 2048 is "2Ki"."""
