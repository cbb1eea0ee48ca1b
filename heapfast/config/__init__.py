"""Configuration: from a command line to options that can be run.

In      argv and the environment
Out     Options, one frozen struct a stage, or ConfigError with every fault
Callers cli, which hands Options to daemon
Never   opens a file or a socket: what the world has to say comes when the daemon starts
"""
