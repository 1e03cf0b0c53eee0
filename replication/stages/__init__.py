"""What is to be made: stages of command lines, what each reads and writes, and their making."""
