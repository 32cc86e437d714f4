"""The predecessor's files made into tables of ours: pure functions of their text.

`layout` knows the files, `reading` the values in their rows, `expiry_repair` which contract a row is of, `tables` what
a day of them is in the store. Reading folders and writing the lake belong to `g6_resources.importing`.
"""
