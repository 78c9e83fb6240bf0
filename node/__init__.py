"""The lab's daemon: its own records to signed attestations, its log, and the services round it.

May import `protocol` and `daemon`; never `verifier`.
"""
