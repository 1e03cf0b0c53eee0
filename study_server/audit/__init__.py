"""The audit of a study before launch: can anything but the picture's content give the answer away?"""
