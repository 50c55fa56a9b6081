"""What users hand in, as plain checked values: arguments, settings, ranges of numbers, YAML. No physics."""
