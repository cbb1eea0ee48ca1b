"""Stage 1, who is there: nodes, pods and namespaces as the API server knows them.

In      an API server: where it is and with what credentials (config.py), lists and watches (client.py, watch.py)
Out     Node, Pod and Namespace: plain data, one call of a Consumer for each change
Callers consumers.py and processors get the changes; daemon and secure_port.py join them; scrape takes addresses and
        credentials from here
Source  spec/heapster-pipeline.md 3.2 and 3.3
Never   keeps an object, knows the store, or lets one bad object cost another
"""
