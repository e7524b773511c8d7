"""dragoman: reproduce papers on translating with large language models, and try the next method beside them.

One street, six rooms: corpora -> training -> decoding -> metrics -> tables -> report. A room imports only from the
rooms before it and from the shared hall (`config`, `prompts`, `records`).
"""

__version__ = "0.1.0"
