"""The side road between the API server and the store: what no kernel can know of an entity.

In      nodes, pods and namespaces as the watches deliver them
Out     calls of the store's put_* and remove_*, and of the label index
Callers daemon makes one enricher a kind, and hands it to the consumer of its watch
Source  spec/heapster-pipeline.md 5.2, 5.3, 5.7 and 5.8; the sums themselves are the store's
Never   imports kube (what it needs of an object is stated as a Protocol), or touches a store that is closing
"""
