"""heapfast: a metrics daemon for large Kubernetes clusters.

Start reading at `pipeline.py`; docs/architecture.md has the drawing of the road.
"""

__version__ = "0.1.0"
