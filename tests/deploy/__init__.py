"""The pages on deployment, jobs and databases: what they tell to write is written from their own text, and run.

pages.py      the files of a page: its blocks whose first line names one
running.py    programs, for as long as a test needs them
"""
