"""The verifier's daemon: a shell round the protocol's core. It moves bytes, keeps them, and calls `protocol`.

    follower        pulls one party's log, checks it, cosigns its head        (one thread a party)
    mirror          what a follower does that only holds and proves
    registrar       closes each period in the record log, and folds it        (one thread)
    assessor        appraises each lab and period, and publishes verdicts     (the same)
    bundler         packs what an assessment was derived from
    audit_service   answers auditors; changes hands them what happens
    store           what is kept beside the logs: cosigned heads, closings, verdicts

It never imports `node`; what both need is in `daemon`.
"""
