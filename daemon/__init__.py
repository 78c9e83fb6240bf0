"""What the node daemon and the verifier daemon share: clock, configuration, secrets, transport, store and log service.

This package reads clocks, files, sockets and databases, so that `protocol/` need not. It knows nothing of the `node`
and `verifier` packages, which build on it, and nothing of what statements mean.
"""
