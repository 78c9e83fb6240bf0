"""The demo: three labs and who watches them on this machine; a slowdown, a pause, two cheats caught.

Real daemons as separate processes, real keys, mutual TLS, real stores. Only two things are not of the real world: the
clock, which is injected, and who plays the labs.

    scenario    what happens when, and under which agreement: a preset, and the table of what is changed of it
    figures     what each lab does and what it says: tables from real clusters, slowed, wound down, and the two lies
    cluster     directories, keys, configuration, processes, clock
    stage       one function per act, each with the claims that must come out true
    play        all acts, then the auditor's view and the offline check
    view        what people see
"""
