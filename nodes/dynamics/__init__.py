"""Nodes that move atoms in time.

JaxMD   molecular dynamics with a trained potential, compiled, stopped when it is unsure
"""
