"""A wire between two interfaces, good or bad: wire.py LEFT RIGHT [NAME=VALUE...]

loss, duplicate, reorder   the share of frames that are lost, sent twice, or held until two more
                           have passed (seed=N makes them the same each time)
push                       the VLAN tags (outermost first, comma between) that frames get on their
                           way from LEFT to RIGHT, and lose on their way back

A kernel's own netem and 802.1Q would do; this needs neither to be compiled in.
"""
import random, select, socket, struct, sys

LEFT, RIGHT = sys.argv[1:3]
OPTIONS = dict(argument.split('=') for argument in sys.argv[3:])
RANDOM = random.Random(int(OPTIONS.get('seed', 1)))
LOSS, DUPLICATE, REORDER = (float(OPTIONS.get(name, 0)) for name in ('loss', 'duplicate', 'reorder'))
TAGS = [int(tag) for tag in OPTIONS.get('push', '').split(',') if tag]
ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 3, 263, 8, 4


def port(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.bind((name, ETH_P_ALL))
    s.setsockopt(SOL_PACKET, 1, struct.pack('IHH8s', socket.if_nametoindex(name), 1, 0, b''))
    return s


def tagged(frame):
    tags = b''.join(struct.pack('!HH', 0x88a8 if n + 1 < len(TAGS) else 0x8100, tag) for n, tag in enumerate(TAGS))
    return frame[:12] + tags + frame[12:]


def untagged(frame):
    """The kernel has taken the outermost tag off already; any others are taken off here."""
    while frame[12:14] in (b'\x81\x00', b'\x88\xa8'):
        frame = frame[:12] + frame[16:]
    return frame


left, right = port(LEFT), port(RIGHT)
held = {left: [], right: []}
print('ready', flush=True)
while True:
    ready, _, _ = select.select([left, right], [], [], 0.05 if any(held.values()) else None)
    for source, target in ((left, right), (right, left)):
        frames = []
        if source in ready:
            frame, address = source.recvfrom(65536)
            if address[2] == PACKET_OUTGOING or RANDOM.random() < LOSS:
                continue
            frame = (tagged if source is left else untagged)(frame) if TAGS else frame
            if RANDOM.random() < REORDER:
                held[target].append([2, frame])
                continue
            frames = [frame, frame] if RANDOM.random() < DUPLICATE else [frame]
        elif ready:
            continue
        for frame in frames:
            target.send(frame)
            for waiting in held[target]:
                waiting[0] -= 1
        for waiting in [w for w in held[target] if w[0] <= 0 or not ready]:
            held[target].remove(waiting)
            target.send(waiting[1])
