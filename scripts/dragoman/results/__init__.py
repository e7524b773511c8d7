"""Results: the records of all numbers, and how they compare with each other and with the papers' numbers.

records      one typed JSON record per number
judging      which of two answers to an instruction is better, by `alpaca_eval`
comparison   two results folders side by side
published    the papers' own numbers
comparable   what our number and a published one must share to be compared
verdicts     our numbers beside the papers'
prospects    which published scores a configuration can get a verdict on, before it runs
"""
