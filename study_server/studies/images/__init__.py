"""The images of a study: run folders, prompts, how large and which part is shown, the encoder.

Stands on the design, whose streams of chance draw the windows.
"""
