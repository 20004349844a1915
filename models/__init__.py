"""Networks and what surrounds them: detection, tracking, pair scoring, vocabularies, bundles."""
