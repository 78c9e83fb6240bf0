"""The lab's daemon: its own records to signed attestations, its log, and the gate that keeps a scheduler in a level.

May import `protocol` and `daemon`; never `verifier`.
"""
