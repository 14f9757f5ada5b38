"""Puts a server's own log in order and writes it as a capture's truth: truth.py LOG TARGET [CURL-LOG]

A connection's lines stay in the order of the log; connections are ordered by the client's address.
A line is {client, method, target, status, request_body_bytes, body_bytes}: body_bytes is the body
without its chunked coding and before content decoding, null where the server did not send all of
it; status is null where it sent no answer.

nginx counts a chunked body with its framing. There the client's own count (CURL-LOG) is the truth.
"""
import json, os, sys

lines = [json.loads(line) for line in open(sys.argv[1])]
received = {}
if len(sys.argv) > 3 and os.path.exists(sys.argv[3]):
    for line in open(sys.argv[3]):
        if line.startswith('{'):
            line = json.loads(line)
            received.setdefault(line['client'], []).append(line)

nth = {}
for line in lines:
    client = line['client']
    host, port = client.rsplit(':', 1)
    answers = received.get(client, [])
    n = nth.get(client, 0)
    nth[client] = n + 1
    if ':' in host and not host.startswith('['):
        line['client'] = f'[{host}]:{port}'
    if 'completion' in line:
        line['method'], line['target'] = line['method'] or None, line['target'] or None
        sent, coding, completion = line.pop('bytes'), line.pop('coding'), line.pop('completion')
        line['request_body_bytes'] = int(line['request_body_bytes'] or 0)
        line['body_bytes'] = sent
        if completion != 'OK':
            line['body_bytes'] = None
        elif coding == 'chunked':
            line['body_bytes'] = answers[n]['bytes'] if n < len(answers) else None

order = sorted(range(len(lines)), key=lambda n: (lines[n]['client'], n))
with open(sys.argv[2], 'w') as target:
    for n in order:
        target.write(json.dumps(lines[n], separators=(',', ':')) + '\n')
