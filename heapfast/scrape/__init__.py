"""Stage 2, bytes from a target: asks every kubelet once a window.

In      nodes and their addresses (manager.put), windows (loop.py)
Out     deliver(target, rows), once for each answer, on the loop
Callers pipeline asks for windows, daemon builds; monitoring.py shows the counters
Source  spec/heapster-pipeline.md 3.2 to 3.7 and 4
Never   knows the store or the API server, or lets one target cost another

Read loop.py and places.py (when), manager.py and _round.pyx (whom), sources/ (what), then _http.pyx, _stream.pyx and
_response.pyx (how).
"""
