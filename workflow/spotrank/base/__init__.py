"""Files, errors, words, records and hashes: what every room needs; knows no other room."""
