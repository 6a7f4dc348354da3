"""The words of Fairlead: nouns, settings, ports, errors, plugin door. Imports stdlib, msgspec and numpy alone."""
