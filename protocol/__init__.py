"""The protocol: pure functions and immutable values.

Nothing here opens a file or a socket, reads a clock, draws randomness or knows a database: bytes, times and salts come
in as arguments, values and refusals go out. Read it in this order, which is also the way of a statement:

    errors        the one way of saying no
    wire          strict reading of protobuf bytes
    keys, envelope, commitment              who said it (Ed25519, DSSE, salted commitments)
    merkle, tiles, note, checkpoint,        where it stands (RFC 6962, C2SP)
    cosignature, witness, tlog_proof
    agreement, agreement_rules              the terms
    statements/                             what can be said: one table, one validator per kind
    leaf, revocation                        a leaf of a log, opened and checked; keys that were taken back
    truth, conditions, pledges, decisions,  what follows from it
    levels, conduct
    state, closing, fold                    one state from all that was said
    checks/, appraisal                      what a verifier makes of one lab and one period
    bundle                                  the same, offline
"""
