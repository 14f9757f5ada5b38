"""Python's own http.server, which speaks HTTP/1.0, with a log of what it served: old.py PORT LOG

Adds three answers to the files of the working directory: /stream has no length and ends with the
connection, /broken says 1000 bytes and closes after 400, /boom answers 500.
"""
import json, os, sys, time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

LOG = open(sys.argv[2], 'a')


class Handler(SimpleHTTPRequestHandler):
    def handle_one_request(self):
        self.status, self.head_sent, self.sent, self.whole = None, False, 0, True
        super().handle_one_request()
        if self.status:
            client = '%s:%d' % self.client_address[:2]
            LOG.write(json.dumps({'client': client, 'method': self.command, 'target': self.path, 'status': self.status,
                                  'request_body_bytes': int(self.headers.get('Content-Length') or 0),
                                  'body_bytes': self.sent if self.whole else None}) + '\n')
            LOG.flush()

    def log_request(self, code='-', size='-'):
        self.status = int(code)

    def log_message(self, *_):
        pass

    def end_headers(self):
        super().end_headers()
        write = self.wfile.write
        if not self.head_sent:
            self.head_sent = True

            def counting(data):
                self.sent += len(data)
                return write(data)
            self.wfile.write = counting

    def do_GET(self):
        if self.path == '/stream':
            self.send_response(200)
            self.send_header('Content-Type', 'text/plain')
            self.end_headers()
            for n in range(12):
                self.wfile.write(b'line %d of a stream without a length\n' % n)
                time.sleep(0.01)
        elif self.path == '/broken':
            self.send_response(200)
            self.send_header('Content-Length', '1000')
            self.end_headers()
            self.whole = False
            self.wfile.write(b'x' * 400)
        elif self.path == '/boom':
            self.send_error(500)
        else:
            super().do_GET()


server = ThreadingHTTPServer(('', int(sys.argv[1])), Handler)
print('ready', flush=True)
server.serve_forever()
