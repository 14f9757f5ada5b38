"""A client that asks as clients seldom do: odd_client.py WHAT ADDRESS PORT"""
import os, socket, struct, sys, time

WHAT, ADDRESS, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
PATHS = ['short', 'reset', 'nothing', 'nothing-reset', 'half-head', 'two', 'more', 'twice-the-same', 'list-of-lengths', 'both',
         'extensions', 'folded', 'line-feeds', 'no-reason', 'latin-1', 'escape', 'interims', 'until-close', 'wide-head']


def connect(port=PORT, source=None, receive_bytes=None):
    s = socket.socket(socket.AF_INET6 if ':' in ADDRESS else socket.AF_INET)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.settimeout(20)
    if receive_bytes:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    if source:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(('', source))
    s.connect((ADDRESS, port))
    return s


def get(path, *headers, version='1.1'):
    lines = [f'GET {path} HTTP/{version}', 'Host: odd.test', *headers, '', '']
    return '\r\n'.join(lines).encode()


def drain(s):
    try:
        while s.recv(65536):
            pass
    except ConnectionResetError:
        pass
    s.close()


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    s.close()


def pipeline():
    """Several requests in one packet, one request in many packets, and connections cut short."""
    s = connect()
    requests = [get(f'/small.txt?n={n}') for n in range(11)]
    requests.insert(5, b'HEAD /big.txt HTTP/1.1\r\nHost: odd.test\r\n\r\n')
    requests.insert(7, b'POST /posted HTTP/1.1\r\nHost: odd.test\r\nContent-Length: 11\r\n\r\nposted body')
    s.sendall(b''.join(requests) + get('/missing', 'Connection: close'))
    drain(s)
    s = connect()
    for byte in get('/small.txt?a-byte-at-a-time', 'Connection: close'):
        s.sendall(bytes([byte]))
        time.sleep(0.001)
    drain(s)
    s = connect()
    s.sendall(b'\r\n\r\n' + get('/small.txt?empty-lines-first') + get('http://odd.test/small.txt?absolute', 'Connection: close'))
    drain(s)
    s = connect()
    s.sendall(b'GET /small.txt?line-feeds HTTP/1.1\nHost: odd.test\nConnection: close\n\n')
    drain(s)
    s = connect()
    s.sendall(get('/big.txt?half-closed'))
    s.shutdown(socket.SHUT_WR)
    drain(s)
    s = connect(receive_bytes=4096)
    s.sendall(get('/huge.txt?reset-in-the-body'))
    s.recv(3000, socket.MSG_WAITALL)
    reset(s)
    s = connect(receive_bytes=4096)
    s.sendall(get('/big.txt?a-window-that-closes', 'Connection: close'))
    time.sleep(1.5)
    drain(s)
    for n in range(2):
        s = connect(source=40000)
        s.sendall(get(f'/small.txt?same-port-{n}'))
        s.recv(65536)
        reset(s)
    s = connect()
    s.sendall(b'HEAD / HTTP/1.1\r\nHost: odd.test\r\nConnection: close\r\n\r\n')
    drain(s)
    s = connect()
    s.sendall(b'OPTIONS * HTTP/1.1\r\nHost: odd.test\r\nConnection: close\r\n\r\n')
    drain(s)
    s = connect()
    s.sendall(b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is no HTTP\r\n\r\n')
    drain(s)


def odd():
    """One connection for each of the odd server's answers, then another protocol, then a long wait."""
    for path in PATHS:
        s = connect()
        s.sendall(get('/' + path))
        drain(s)
    s = connect(PORT + 1)
    s.recv(100)
    s.sendall(b'SSH-2.0-Fake_Client\r\n')
    drain(s)
    s = connect()
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1)):
        s.setsockopt(socket.IPPROTO_TCP, option, value)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    s.sendall(get('/slow'))
    drain(s)


def websocket():
    s = connect()
    s.sendall(b'GET /live HTTP/1.1\r\nHost: features.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
              b'Sec-WebSocket-Key: bm90LWEtc2VjcmV0LWtleQ==\r\nSec-WebSocket-Version: 13\r\n\r\n')
    while b'\r\n\r\n' not in s.recv(65536):
        pass
    for opcode, text in ((1, b'hello'), (1, b'GET /not-http HTTP/1.1\r\n\r\n'), (8, b'')):
        mask = os.urandom(4)
        s.sendall(bytes([0x80 | opcode, 0x80 | len(text)]) + mask + bytes(b ^ mask[n % 4] for n, b in enumerate(text)))
        s.recv(1000)
        time.sleep(0.01)
    drain(s)


{'pipeline': pipeline, 'odd': odd, 'websocket': websocket}[WHAT]()
