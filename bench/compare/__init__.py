"""Any servers of metrics against one simulated cluster, taking turns.

In      a scenario; servers as data: how each is started, whose API it speaks
Out     CPU seconds, memory, latencies, the age of numbers, a new pod's first metric, of each server in each turn
Callers bench/command.py (`heapfast bench compare`)
Never   runs two servers at a time, or measures one before its numbers were found to be right

    simulator ─────────────────────────────────────────────────────── runs all the time
    server A ── start, check ── nothing asked ── load ── end
    server B                                                ── start, check ── nothing asked ── load ── end
    next round: B, A                                                                                        ...
"""
