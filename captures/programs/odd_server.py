"""A server that answers as servers should not: odd_server.py PORT LOG

Each path names an oddity. LOG gets a line for each request, by what was sent in answer to it.
"""
import json, socket, struct, sys, threading, time

LOG, LOCK = open(sys.argv[2], 'a'), threading.Lock()
OK = b'HTTP/1.1 200 OK\r\n'

# path: (pieces to send, a pause of 5 ms after each; status; body length or None; how it ends)
ODDITIES = {
    '/short': ([OK + b'Content-Length: 5000\r\n\r\n', b'x' * 2000], 200, None, 'close'),
    '/reset': ([OK + b'Content-Length: 5000\r\n\r\n', b'x' * 2000], 200, None, 'reset'),
    '/nothing': ([], None, None, 'close'),
    '/nothing-reset': ([], None, None, 'reset'),
    '/half-head': ([OK + b'Content-Type: text/pl'], 200, None, 'close'),
    '/two': ([OK + b'Content-Length: 5\r\n\r\nfirst', b'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond'], 200, 5, 'close'),
    '/more': ([OK + b'Content-Length: 5\r\n\r\nfirst and more than was said'], 200, 5, 'close'),
    '/twice-the-same': ([OK + b'Content-Length: 5\r\nContent-Length: 5\r\n\r\nfirst'], 200, 5, 'close'),
    '/list-of-lengths': ([OK + b'Content-Length: 5, 5\r\n\r\nfirst'], 200, 5, 'close'),
    '/both': ([OK + b'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n', b'5\r\nfirst\r\n0\r\n\r\n'], 200, 5, 'close'),
    '/extensions': ([OK + b'Transfer-Encoding: chunked\r\n\r\n', b'5;a=1;b="2"\r\nfir', b'st\r', b'\n0', b'0\r\nDone: yes\r\n\r\n'], 200, 5, 'close'),
    '/folded': ([OK + b'Content-Length: 5\r\nX-Long: one\r\n  two\r\n\tthree\r\n\r\nfirst'], 200, 5, 'close'),
    '/line-feeds': ([b'HTTP/1.1 200 OK\nContent-Length: 5\n\nfirst'], 200, 5, 'close'),
    '/no-reason': ([b'HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nfirst'], 200, 5, 'close'),
    '/latin-1': ([OK + b'X-Name: Andr\xe9\r\nContent-Length: 5\r\n\r\nfirst'], 200, 5, 'close'),
    '/escape': ([OK + b'X-Title: \x1b]0;owned\x07\x1b[31mred\r\nContent-Length: 5\r\n\r\nfirst'], 200, 5, 'close'),
    '/interims': ([b'HTTP/1.1 100 Continue\r\n\r\n', b'HTTP/1.1 102 Processing\r\n\r\n', b'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n' * 2,
                   OK + b'Content-Length: 5\r\n\r\nfirst'], 200, 5, 'close'),
    '/until-close': ([b'HTTP/1.1 200 OK\r\n\r\n', b'no length', b' at all'], 200, 16, 'close'),
    '/wide-head': ([OK + b''.join(b'X-%d: %s\r\n' % (n, b'v' * 90) for n in range(180)) + b'Content-Length: 5\r\n\r\nfirst'], 200, 5, 'close'),
    '/slow': (['wait', OK + b'Content-Length: 5\r\n\r\nfirst'], 200, 5, 'close'),
}


def serve(connection, client):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = b''
    while b'\r\n\r\n' not in head:
        data = connection.recv(65536)
        if not data:
            return connection.close()
        head += data
    method, path = head.split(b' ')[:2]
    pieces, status, body, end = ODDITIES[path.decode()]
    for piece in pieces:
        if piece == 'wait':
            time.sleep(3.2)
            continue
        connection.sendall(piece)
        time.sleep(0.005)
    with LOCK:
        LOG.write(json.dumps({'client': '%s:%d' % client[:2], 'method': method.decode(), 'target': path.decode(),
                              'status': status, 'request_body_bytes': 0, 'body_bytes': body}) + '\n')
        LOG.flush()
    if end == 'reset':
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    connection.close()


def greet(port):
    """Another protocol on the next port: a banner, then silence."""
    listener = socket.create_server(('', port))
    while True:
        connection, _ = listener.accept()
        connection.sendall(b'SSH-2.0-Fake_1.0\r\n')
        connection.recv(1000)
        connection.close()


listener = socket.create_server(('', int(sys.argv[1])), backlog=64)
threading.Thread(target=greet, args=(int(sys.argv[1]) + 1,), daemon=True).start()
print('ready', flush=True)
while True:
    threading.Thread(target=serve, args=listener.accept(), daemon=True).start()
