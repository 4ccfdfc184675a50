"""The nouns, the doors, the errors and the hashing that every other layer shares; imports nothing of ours."""
