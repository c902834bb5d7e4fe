"""What backends that write source share: classes from bodies, formatted code, headers, live modules."""
