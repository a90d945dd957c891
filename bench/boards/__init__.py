"""Boards and stations as people describe them in YAML, checked, with file and line of whatever is wrong."""

from bench.boards.loader import board_files, board_names, load_board, load_board_file
from bench.boards.paths import data_dir

__all__ = ["board_files", "board_names", "data_dir", "load_board", "load_board_file"]
