"""The hidden-compute bound: how much covert training the evidence leaves room for (annex: bound).

For one lab and one window, every claim and every independent reading becomes a row of one linear program whose
variables are what the accelerators may really have done. The largest covert training that satisfies all rows is the
bound; the least misdeclaration is the floor. The solver that looks for them is not trusted: what is published is an
integer that anybody can check from the multipliers alone. Read it in this order, which is also the order of imports:

    evidence                what is known of a lab and a window: integers, with their owners and their errors
    budget                  how the agreed risk is divided before any reading is seen
    program, columns        integer rows and columns, and what the columns mean
    families/               one module per kind of row, with the paragraph that it encodes
    assembly                from evidence to a program
    certificate             what multipliers prove, in integers
    solver                  where multipliers come from (HiGHS)
    outcome                 bound and floor, by what channel, and what is missing where there is no bound
"""
