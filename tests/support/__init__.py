"""What several tests share: oracles, tables, specs to try, comparisons."""
