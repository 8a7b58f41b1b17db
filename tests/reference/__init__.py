"""Each loss derived a second time from its paper's formula: plain Python loops over float64 numbers.

Nothing here may import limbeck, and nothing here may be fast. A derivation takes the student and the teacher as nested
lists, the loss's settings by their names (with the paper's defaults), and whichever it needs of ``targets``, ``index``,
``progress`` (the fraction of training done), ``parameters`` (name -> nested list) and ``held``, the student at which a
gradient is taken: what the loss treats as a constant is read from ``held``, where it is given.
"""
