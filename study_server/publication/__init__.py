"""What a study says to the outside: preregistration, data-protection sheet, the released data.

It stands on the format modules at the door of the package and reads no database.
"""
