"""The article remade: stages that call the commands, and one report of what they gave."""
