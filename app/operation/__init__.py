"""What whoever runs the house does from the command line: back up and restore, look whether all is well, fill with data.

Each topic has a file; names, options and help of the commands stand in `commands.py`.
"""
