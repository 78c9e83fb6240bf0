"""The language in which agreements and pledges are written and read.

Text is compiled to the protobuf terms that everybody signs, and all valid terms can be written as text that compiles
to the same bytes. The text itself never travels: nothing here is needed to verify anything.

Reading order: `agreement.lark` (grammar), `syntax` (what a text says, with places), `keys` (what may be said, the one
table), `lower` (text to terms), `write` (terms to text), `layout` (one look for texts).
Then `check` (all that is wrong or doubtful), `lint` (one function a finding), `satisfy` (what conditions can be),
`difference` (what changes between two agreements).
"""
