"""What was asked for, where its files lie, and what decides each; stands above all."""
