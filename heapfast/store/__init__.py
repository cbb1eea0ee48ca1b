"""Python's side of the store (heapfast/_core.pyx and the modules it has grown into are the rest).

In      the store; API objects' labels
Out     selections of slots by label; self-metrics; the naive model that tests hold the store against
Callers processors and api use the index, daemon and pipeline the self-metrics, tests the model
Never   touches a sample
"""
