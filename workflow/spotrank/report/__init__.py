"""Numbers in, things to read out: tables that can be trusted, figures."""
