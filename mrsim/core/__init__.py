"""What everything else stands on: constants, units, the travelling nouns, their storage, errors."""
