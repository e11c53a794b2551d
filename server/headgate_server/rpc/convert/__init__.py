"""Between the words of the contract and ours: requests become commands, values become messages. Pure."""
