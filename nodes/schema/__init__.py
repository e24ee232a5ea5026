"""Settings in YAML files: checked, explained, listed.

section   Section, the base of all groups of settings
reading   a file to settings, or errors that name line, key and the nearest right key
listing   every key with type, default and meaning
template  a file to start from
"""
