"""The 100 test photos, where they come from, and the script that cut them."""
