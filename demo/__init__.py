"""The demo: three labs, a supplier, a meter operator and a verifier on this machine; one pause; two cheats caught.

Real daemons as separate processes, real keys, mutual TLS, real stores. Only two things are not of the real world: the
clock, which is injected, and who plays the labs.

    scenario    what happens when, and under which agreement
    figures     what each lab does and what it says: tables from real clusters, wound down, and the two lies
    cluster     directories, keys, configuration, processes, clock
    stage       one function per act, each with the claims that must come out true
    play        all acts, then the auditor's view and the offline check
    view        what people see
"""
