"""The audit of a study before launch: can anything but the picture give the answer away?"""
