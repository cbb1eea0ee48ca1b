"""How cost grows: by nodes, pods, series, retention, and with the size of the cluster for one fixed question.

In      names of curves
Out     CurveResults: points, in bench/results/curves.json
Callers bench/command.py (`heapfast bench curves`), bench/report
Never   draws a line through what was not measured
"""
