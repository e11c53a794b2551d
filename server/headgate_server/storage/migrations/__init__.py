"""How the schema came to be, one step in each file of `versions`."""
