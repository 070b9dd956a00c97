"""Moves many exam sessions from one list: durable, paced, with an outcome for every row.

The rooms, in the order in which a list passes through them: `tables` reads the file, `rows` makes checked requests
of it, `plan` removes duplicates, the engine sends, `outcomes` is what it records, `report` tells people.
"""
