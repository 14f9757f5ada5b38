// A small shop over node:http, with no dependencies: the server of shop.pcap and shop-after.pcap.
//
//   node shop.mjs PORT LOG once|line
//
// Every answer and every delay is a function of the request alone (its X-Request-Id and cookie),
// so two recordings with the same client differ only where the shop itself differs: `once` rounds
// a discount once, on the whole cart; `line` rounds it on every line, and searches more slowly.
// LOG gets a JSON line for each request as the shop saw it: the truth that captures are held to.
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import http from "node:http";
import { gzipSync } from "node:zlib";

const [port, logPath, rounding] = process.argv.slice(2);
const log = createWriteStream(logPath);
const carts = new Map();
const orders = new Map();

const digest = (...parts) => createHash("sha256").update(parts.join("|")).digest("hex");
const chance = (...parts) => parseInt(digest(...parts).slice(0, 8), 16) / 2 ** 32;
const between = (low, high, u) => low + (high - low) * u;
const euros = (cents) => Number((cents / 100).toFixed(2));

const KINDS = ["Lamp", "Mug", "Chair", "Notebook", "Kettle", "Scarf", "Clock", "Plant"];
const LOOKS = ["Plain", "Blue", "Old"];
const products = LOOKS.flatMap((look, l) =>
  KINDS.map((kind, k) => ({
    id: 100 + l * KINDS.length + k,
    name: `${look} ${kind}`,
    cents: 435 + ((l * 8 + k) * 1117) % 6400,
    stock: (l * 8 + k) * 3,
    text: `A ${look.toLowerCase()} ${kind.toLowerCase()}, made to be looked at and used every day.`,
  })),
);
const shown = (p) => ({ id: p.id, name: p.name, price: euros(p.cents), stock: p.stock, text: p.text });
const promos = { SAVE15: 15, TEN: 10, WELCOME5: 5 };

function totals(cart) {
  const percent = promos[cart.promo] ?? 0;
  const lines = cart.lines.map(([id, quantity]) => {
    const product = products.find((p) => p.id === id);
    return { id, quantity, price: euros(product.cents), cents: product.cents * quantity };
  });
  const subtotal = lines.reduce((sum, line) => sum + line.cents, 0);
  const discount = rounding === "line"
    ? lines.reduce((sum, line) => sum + Math.round((line.cents * percent) / 100), 0)
    : Math.round((subtotal * percent) / 100);
  return {
    cart: {
      lines: lines.map(({ id, quantity, price, cents }) => ({ id, quantity, price, line: euros(cents) })),
      subtotal: euros(subtotal),
      promo: cart.promo ?? null,
      discount: euros(discount),
      total: euros(subtotal - discount),
      currency: "EUR",
    },
  };
}

const uuid = (hex) =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;

function page(title) {
  return `<!doctype html><html><head><title>${title}</title><link rel="stylesheet" href="/style.css">` +
    `<script src="/shop.js" defer></script></head><body><h1>${title}</h1><ul id="list"></ul></body></html>\n`;
}

// [delay in ms, status, body, further headers]; a string body is text, anything else is JSON.
function answer(request, url, sid, body, u) {
  const route = `${request.method} ${url.pathname}`;
  const cart = carts.get(sid) ?? { lines: [] };
  if (route === "GET /") {
    return [between(1, 3, u), 200, page("The shop"), { "Set-Cookie": `sid=${sid}; Path=/; HttpOnly` }];
  }
  if (route === "GET /style.css") {
    return [1, 200, "body{font-family:sans-serif;margin:2em}li{margin:.4em}\n", { "Content-Type": "text/css" }];
  }
  if (route === "GET /shop.js") {
    return [1, 200, SCRIPT, { "Content-Type": "text/javascript" }];
  }
  if (route === "GET /products") {
    return [between(4, 12, u), 200, { products: products.map(shown) }];
  }
  if (request.method === "GET" && url.pathname.startsWith("/products/")) {
    const product = products.find((p) => p.id === Number(url.pathname.slice(10)));
    return product
      ? [between(1, 5, u), 200, shown(product)]
      : [between(1, 2, u), 404, { error: "no such product" }];
  }
  if (route === "GET /search") {
    const word = (url.searchParams.get("q") ?? "").toLowerCase();
    const found = products.filter((p) => p.name.toLowerCase().includes(word)).map(shown);
    const slower = rounding === "line" ? 1.3 : 1;
    const delay = u > 0.95 ? between(300, 900, (u - 0.95) * 20) : 8 + 60 * u ** 3;
    return [slower * delay, 200, { query: word, found }];
  }
  if (route === "GET /cart") return [between(2, 6, u), 200, totals(cart)];
  if (route === "POST /cart") {
    const { id, quantity } = JSON.parse(body);
    if (!products.some((p) => p.id === id)) return [2, 422, { error: "no such product" }];
    carts.set(sid, { ...cart, lines: [...cart.lines, [id, quantity]] });
    return [between(5, 15, u), 201, totals(carts.get(sid))];
  }
  if (route === "POST /cart/promo") {
    const { code } = JSON.parse(body);
    if (!(code in promos)) return [between(3, 9, u), 422, { error: "unknown code", code }];
    carts.set(sid, { ...cart, promo: code });
    return [between(8, 30, u), 200, totals(carts.get(sid))];
  }
  if (route === "POST /checkout") {
    if (cart.lines.length === 0) return [between(3, 6, u), 409, { error: "the cart is empty" }];
    const id = uuid(digest("order", sid, cart.lines.length));
    orders.set(id, { id, state: "paid", ...totals(cart) });
    carts.delete(sid);
    const stuck = JSON.parse(body).payment === "tok_fake_stuck";
    return [stuck ? 30_000 : between(50, 400, u), 201, orders.get(id), { Location: `/orders/${id}` }];
  }
  if (request.method === "GET" && url.pathname.startsWith("/orders/")) {
    const order = orders.get(url.pathname.slice(8));
    return order ? [between(3, 20, u), 200, order] : [between(2, 4, u), 404, { error: "no such order" }];
  }
  return [1, 404, "Not here.\n"];
}

const SCRIPT = `fetch("/products").then((r) => r.json()).then(async (all) => {
  for (const p of all.products.slice(0, 6)) {
    const full = await (await fetch("/products/" + p.id)).json();
    const item = document.createElement("li");
    item.textContent = full.name + ": " + full.price;
    document.getElementById("list").append(item);
  }
  await fetch("/cart", { method: "POST", body: JSON.stringify({ id: 104, quantity: 2 }) });
  const promo = await fetch("/cart/promo", { method: "POST", body: JSON.stringify({ code: "SAVE15" }) });
  document.title = "total " + (await promo.json()).cart.total;
});
`;

const FALLIBLE = /^\/(products|search|cart|checkout)/;

function failure(url, id) {
  const u = chance("failure", id, url.pathname);
  if (!FALLIBLE.test(url.pathname) || u > 0.022) return null;
  return u < 0.014
    ? [between(20, 120, u / 0.014), 500, { error: "internal" }]
    : [2, 503, { error: "try again" }, { "Retry-After": "1" }];
}

function send(request, response, [, status, body, headers], url, sent) {
  const text = typeof body === "string";
  let bytes = Buffer.from(text ? body : JSON.stringify(body));
  response.statusCode = status;
  response.setHeader("Content-Type", text ? (status === 200 ? "text/html" : "text/plain") : "application/json");
  for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value);
  if (bytes.length > 800 && /\bgzip\b/.test(request.headers["accept-encoding"] ?? "")) {
    bytes = gzipSync(bytes);
    response.setHeader("Content-Encoding", "gzip");
  }
  response.setHeader("Content-Length", bytes.length);
  sent.bytes = bytes.length;
  response.end(bytes);
}

const server = http.createServer((request, response) => {
  const began = process.hrtime.bigint();
  const client = `${request.socket.remoteAddress.replace("::ffff:", "")}:${request.socket.remotePort}`;
  const url = new URL(request.url, "http://shop.test");
  const id = request.headers["x-request-id"] ?? `${client} ${began}`;
  const sid = /sid=([0-9a-f]+)/.exec(request.headers.cookie ?? "")?.[1] ?? digest("sid", id).slice(0, 32);
  const sent = { bytes: 0 };
  let received = "";
  request.on("data", (data) => (received += data));
  request.on("end", () => {
    const chosen = failure(url, id) ?? answer(request, url, sid, received, chance("delay", id, url.pathname));
    setTimeout(() => response.destroyed || send(request, response, chosen, url, sent), chosen[0]);
  });
  response.on("close", () => {
    const done = response.writableFinished;
    log.write(`${JSON.stringify({
      client, method: request.method, target: request.url,
      status: done ? response.statusCode : null,
      request_body_bytes: Buffer.byteLength(received), body_bytes: done ? sent.bytes : null,
      took_us: Number((process.hrtime.bigint() - began) / 1000n),
    })}\n`);
  });
});
server.keepAliveTimeout = 5000;
server.listen(Number(port), "::", () => console.log("ready"));
process.on("SIGTERM", () => log.end(() => process.exit(0)));
