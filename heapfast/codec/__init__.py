"""One scalar each, both directions: quantities, times, floats.

In      text, or a number
Out     a number, or text
Callers wire, kube and scrape parse or write with them, render and api write with them
Source  the Kubernetes API for quantities, RFC 3339 for times, ECMAScript for floats (as Go writes JSON)
Never   knows what a number stands for
"""
