"""Puts a server's own log in order and writes it as a capture's truth: truth.py LOG TARGET

A connection's lines stay in the order of the log; connections are ordered by the client's address.
"""
import json, sys

lines = [json.loads(line) for line in open(sys.argv[1])]
order = sorted(range(len(lines)), key=lambda n: (lines[n].get('client', ''), n))
with open(sys.argv[2], 'w') as target:
    for n in order:
        target.write(json.dumps(lines[n], separators=(',', ':')) + '\n')
