"""The protocol: pure functions and immutable values.

Nothing here opens a file or a socket, reads a clock, draws randomness or knows a database: bytes, times and salts come
in as arguments, values and refusals go out. Read it in this order, which is also the way of a statement:

    errors        the one way of saying no
    wire          strict reading of protobuf bytes
    keys, envelope, commitment              who said it (Ed25519, DSSE, salted commitments)
    merkle, tiles, note, checkpoint,        where it stands (RFC 6962, C2SP)
    cosignature, witness, tlog_proof
    agreement, agreement_rules and *_rules  the terms, and what every reader refuses of them
    in_force, overlap, amendments           the terms that hold now: amended, with the older ones beside them
    statements/                             what can be said: one table, one validator per kind
    leaf, judgement, revocation             a leaf of a log, opened; judged by the terms in force; keys taken back
    truth, readings, events, conditions     what is true of the world, and why
    pledge_problem, pledges, tipping        who is bound on whose account, and what would change it
    needs, seats, recusal, decisions        who decides
    levels, conduct                         phases and standing
    state, closing, fold                    one state from all that was said
    duty, obedience, explain                what a lab must keep, when its own machines obey, what would lift it
    case_needs, past_work, case, deliveries what is on the record about one lab and one period
    statistics, hidden_compute, sampling    whole-number statistics, when a bound is due, what to look at
    checks/, appraisal                      what a verifier makes of one lab and one period
    bundle_logs, bundle_terms, bundle       the same, offline
"""
