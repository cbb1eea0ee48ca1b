"""The daemon under load: whole processes against the simulated cluster, over real sockets."""
