"""Work that is counted, not timed: instructions of the hot kernels, by valgrind.

In      kernels.py: what runs
Out     counts; what has grown beyond baselines.json
Callers bench/command.py (`heapfast bench work`), tests/work
Never   depends on how busy the machine is, or what else runs on it

Counts are nearly the same in each run, on any machine of one kind: so they can be held in CI, where times cannot.
What they do not see: cache misses, memory bandwidth, system calls, waiting.
"""
