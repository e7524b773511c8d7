"""dragoman: reproduces papers on translation with large language models, and compares new methods with them.

Results are made in this order: corpora -> training -> decoding -> metrics -> tables -> report. The code of a step
imports only the code of earlier steps, and shared modules (`config`, `prompts`, `records`).
"""

__version__ = "0.1.0"
