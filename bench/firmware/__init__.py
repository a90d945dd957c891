"""From a workload to the sources of its image, and to the numbers its output must show. Nothing is compiled here."""
