"""One scalar each, both directions: quantities, times, floats.

In      text, or a number
Out     a number, or text
Callers wire and kube parse with them, render writes with them
Source  the Kubernetes API for quantities, RFC 3339 for times, ECMAScript for floats (as Go writes JSON)
Never   knows what a number stands for
"""
