"""Search at size: what a catalogue of up to a million photos costs to fill, to index and to search, and how often it answers wrongly."""
