"""Shoppers for the shop: shop_client.py ADDRESS SHOPPERS VISITS SEED

Each shopper is a thread that makes visits; each visit is one keep-alive connection. What a shopper
asks for is decided by the seed alone. One in sixty or so gives up on a slow checkout; the last two
shoppers wait for a checkout that never ends, so that a capture ends with exchanges still open.
"""
import gzip, http.client, json, random, socket, sys, threading, time

ADDRESS, SHOPPERS, VISITS, SEED = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
AGENTS = ['Mozilla/5.0 (X11; Linux x86_64)', 'ShopApp/3.2 (Android)', 'ShopApp/3.3 (iOS)', 'partner-sync/1.4']
WORDS = ['lamp', 'blue', 'old', 'chair', 'mug', 'plant', 'sofa']


class Visit:
    def __init__(self, shopper, number):
        self.random = random.Random(f'{SEED}-{shopper}-{number}')
        self.name, self.asked, self.sid = f's{shopper}-v{number}', 0, None
        self.agent = AGENTS[shopper % len(AGENTS)]
        self.token = f'eyJhbGciOiJub25lIn0.eyJzdWIiOiJmYWtlIn0.not-a-secret-{shopper}' if shopper % 3 == 0 else None
        self.connection = http.client.HTTPConnection(ADDRESS, 80, timeout=20)

    def ask(self, method, target, body=None):
        headers = {'Host': 'shop.test', 'User-Agent': self.agent, 'Accept-Encoding': 'gzip', 'X-Request-Id': f'{self.name}-{self.asked}'}
        if self.sid:
            headers['Cookie'] = f'sid={self.sid}'
        if self.token:
            headers['Authorization'] = f'Bearer {self.token}'
        data = None
        if body is not None:
            data, headers['Content-Type'] = json.dumps(body), 'application/json'
        self.asked += 1
        self.connection.request(method, target, data, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if cookie := answer.getheader('Set-Cookie'):
            self.sid = cookie.split(';')[0].partition('=')[2]
        if answer.getheader('Content-Encoding') == 'gzip':
            content = gzip.decompress(content)
        time.sleep(self.random.uniform(0.002, 0.09))
        is_json = answer.getheader('Content-Type') == 'application/json'
        return answer.status, json.loads(content) if is_json else None

    def run(self):
        r = self.random
        self.ask('GET', '/')
        if r.random() < 0.3:
            self.ask('GET', '/favicon.ico')
        self.ask('GET', '/products')
        for _ in range(r.randint(1, 4)):
            product = r.randint(100, 123) if r.random() < 0.96 else r.randint(900, 999)
            self.ask('GET', f'/products/{product}' + ('?ref=list' if r.random() < 0.4 else ''))
        for _ in range(r.randint(0, 3)):
            self.ask('GET', f'/search?q={r.choice(WORDS)}')
        if r.random() < 0.25:
            return
        for _ in range(r.randint(1, 4)):
            self.ask('POST', '/cart', {'id': r.randint(100, 123), 'quantity': r.randint(1, 3)})
        self.ask('GET', '/cart')
        if r.random() < 0.7:
            self.ask('POST', '/cart/promo', {'code': r.choice(['SAVE15', 'SAVE15', 'TEN', 'WELCOME5', 'OLDCODE'])})
        if r.random() < 0.8:
            self.connection.sock.settimeout(0.15 if r.random() < 0.03 else 20)
            status, order = self.ask('POST', '/checkout', {'payment': f'tok_fake_{self.name}'})
            if status == 201:
                for _ in range(r.randint(1, 3)):
                    self.ask('GET', f'/orders/{order["id"]}?token=not-a-secret-{self.name}')

    def stuck(self):
        self.ask('GET', '/')
        for _ in range(3):
            status, _ = self.ask('POST', '/cart', {'id': 101, 'quantity': 1})
        self.ask('POST', '/checkout', {'payment': 'tok_fake_stuck'})


def shop(shopper):
    time.sleep(random.Random(f'{SEED}-{shopper}').uniform(0, 0.5))
    for number in range(VISITS):
        visit = Visit(shopper, number)
        try:
            visit.run()
        except socket.timeout:
            pass
        finally:
            visit.connection.close()


def hang(shopper):
    try:
        Visit(shopper, 0).stuck()
    except (OSError, http.client.HTTPException):
        pass


shoppers = [threading.Thread(target=shop, args=(n,)) for n in range(SHOPPERS)]
for thread in shoppers:
    thread.start()
for thread in shoppers:
    thread.join()
hanging = [threading.Thread(target=hang, args=(SHOPPERS + n,), daemon=True) for n in range(2)]
for thread in hanging:
    thread.start()
time.sleep(1.5)
print('asked', flush=True)
threading.Event().wait(60)
