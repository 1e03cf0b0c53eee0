"""What the stages gave, as data: tables of measured rows beside published ones, pictures."""
