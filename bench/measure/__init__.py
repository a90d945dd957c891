"""The procedure: how one image is measured on one station, clock by clock."""
