"""Load as real clients make it: an open loop, in a process of its own.

In      a Plan: where to ask, who asks what and how often
Out     an Outcome: a latency histogram a stream, errors by kind, bodies of what is to be looked at
Callers bench/macro, bench/compare, bench/curves
Never   waits for an answer before it sends what is due, or looks into a body while time counts
"""
