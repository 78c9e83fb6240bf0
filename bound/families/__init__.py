"""The kinds of rows: one module and one function each, with the paragraph that it encodes (annex: bound, 3).

    rows(evidence, layout, builder)

To add one: a module here with a `rows` function, and a line in :data:`bound.assembly.FAMILIES`.
"""
