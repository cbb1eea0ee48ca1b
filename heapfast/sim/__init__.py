"""The simulated cluster: an API server and every kubelet, over real loopback sockets.

In      SimulateOptions (options.py): how many nodes, pods, containers; seed, churn, TLS, faults
Out     what a daemon scrapes and watches, and the numbers it must answer (cluster.expected_*)
Callers cli (`heapfast simulate`), the demo, tests, bench
Never   binds or talks to anything but loopback, or takes a number from chance: the seed decides

Start reading at main.py. The model is cluster.py (who is there), loads.py (what they use, as
functions of time) and churn.py (who comes and goes); kubelet.py and apiserver.py put it on the wire.
"""
