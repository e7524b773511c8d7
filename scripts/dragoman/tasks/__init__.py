"""Tasks: what an experiment asks of a model. One module each, with

    PROMPT         name of the prompt that an experiment uses unless it says otherwise
    METRICS        what its answers are scored by, unless it says otherwise
    parse(text)    the answer in what a model wrote, as metrics want it

A parser only takes off wrapping. It never mends an answer, and what it cannot read stays, to be scored as wrong.
"""
