"""The values the bench speaks of: frozen, validated at birth, standard library only."""
