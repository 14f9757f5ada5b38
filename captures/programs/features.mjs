// The parts of HTTP/1.1 that small services seldom use, as node:http sends them, and a proxy.
//
//   node features.mjs PORT PROXY-PORT ORIGIN-PORT LOG
//
// Chunks and trailers, interim responses, Expect, upgrades, CONNECT, absolute targets, answers
// that come before the request has ended, resets. LOG gets a line for each request served.
import { createHash } from "node:crypto";
import { appendFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";

const [port, proxyPort, originPort, logPath] = process.argv.slice(2);

function record(request, status, received, sent) {
  const { remoteAddress, remotePort } = request.socket.peer;
  appendFileSync(logPath, `${JSON.stringify({
    client: `${remoteAddress.replace("::ffff:", "")}:${remotePort}`, method: request.method,
    target: request.url, status, request_body_bytes: received, body_bytes: sent,
  })}\n`);
}

// remember keeps the peer's address, which a socket forgets once it is destroyed.
const remember = (socket) => (socket.peer = { remoteAddress: socket.remoteAddress, remotePort: socket.remotePort });

function follow(request, response) {
  const count = { received: 0, sent: 0 };
  request.on("data", (data) => (count.received += data.length));
  for (const name of ["write", "end"]) {
    const real = response[name].bind(response);
    response[name] = (data, ...rest) => {
      if (data && typeof data !== "function" && request.method !== "HEAD") count.sent += Buffer.byteLength(data);
      return real(data, ...rest);
    };
  }
  response.on("close", () => {
    const whole = response.writableFinished;
    const status = response.headersSent ? response.statusCode : null;
    record(request, status, request.complete ? count.received : null, whole ? count.sent : null);
  });
  return count;
}

const ended = (request) => new Promise((done) => request.on("end", done).resume());

const routes = {
  async "/chunks"(request, response) {
    const number = Number(new URL(request.url, "http://x").searchParams.get("n") ?? 5);
    if (request.method !== "HEAD") response.setHeader("Trailer", "Content-MD5, Server-Timing");
    for (let n = 0; n < number; n += 1) {
      response.write(`chunk ${n} `.repeat(1 + n * 7));
      await pause(3);
    }
    response.addTrailers({ "Content-MD5": "ZmFrZQ==", "Server-Timing": "db;dur=2" });
    response.end();
  },
  async "/hints"(request, response) {
    response.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
    await pause(10);
    response.writeEarlyHints({ link: ["</style.css>; rel=preload; as=style", "</shop.js>; rel=preload; as=script"] });
    await pause(10);
    response.end("hinted twice\n");
  },
  async "/processing"(request, response) {
    for (let n = 0; n < 3; n += 1) {
      response.writeProcessing();
      await pause(5);
    }
    response.end("processed\n");
  },
  "/none"(request, response) {
    response.statusCode = 204;
    response.end();
  },
  "/same"(request, response) {
    response.writeHead(304, { "Content-Length": 1234, ETag: '"fake"' });
    response.end();
  },
  async "/upload"(request, response) {
    await ended(request);
    response.end("taken\n");
  },
  async "/quota"(request, response) {
    response.writeHead(413, { "Content-Length": 9 });
    response.end("too much\n");
    await ended(request);
  },
  async "/events"(request, response) {
    response.setHeader("Content-Type", "text/event-stream");
    for (let n = 0; n < 100 && !response.destroyed; n += 1) {
      response.write(`data: event ${n}\n\n`);
      await pause(20);
    }
    response.end();
  },
  async "/reset"(request, response) {
    response.writeHead(200, { "Content-Length": 5000 });
    response.write("x".repeat(1500));
    await pause(20);
    request.socket.resetAndDestroy();
  },
  async "/silence"(request, response) {
    await pause(30);
    request.socket.destroy();
  },
};

const server = http.createServer((request, response) => {
  follow(request, response);
  const route = routes[new URL(request.url, "http://x").pathname];
  if (route) return void route(request, response);
  response.statusCode = 404;
  response.end("not here\n");
});
server.on("connection", remember);
server.on("checkContinue", (request, response) => {
  follow(request, response);
  if (request.url === "/refused") {
    response.writeHead(417, { "Content-Length": 0, Connection: "close" });
    return void response.end();
  }
  response.writeContinue();
  routes["/upload"](request, response);
});
server.on("upgrade", (request, socket) => {
  const accept = createHash("sha1")
    .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  record(request, 101, 0, null);
  // A client's frame is masked; the echo is not. Frames are short here: two bytes, then the mask.
  socket.on("data", (data) => {
    for (let at = 0; at + 6 <= data.length;) {
      const [opcode, length] = [data[at] & 15, data[at + 1] & 127];
      const mask = data.subarray(at + 2, at + 6);
      const text = Buffer.from(data.subarray(at + 6, at + 6 + length).map((byte, n) => byte ^ mask[n % 4]));
      socket.write(Buffer.concat([Buffer.from([0x80 | opcode, length]), text]));
      if (opcode === 8) socket.end();
      at += 6 + length;
    }
  });
  socket.on("error", () => {});
});

const proxy = http.createServer((request, response) => {
  const count = follow(request, response);
  const url = new URL(request.url);
  const onward = http.request({
    host: "127.0.0.1", port: originPort, method: request.method, path: url.pathname + url.search,
    headers: { ...request.headers, host: url.host, via: "1.1 proxy.test" },
  }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  request.pipe(onward);
  onward.on("error", () => response.destroy());
  return count;
});
proxy.on("connection", remember);
proxy.on("connect", (request, socket, head) => {
  if (!request.url.startsWith("origin.test:")) {
    socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nforbidden\n");
    return record(request, 403, 0, 10);
  }
  const origin = net.connect(originPort, "127.0.0.1", () => {
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    record(request, 200, 0, null);
    origin.write(head);
    origin.pipe(socket).pipe(origin);
  });
  origin.on("error", () => socket.destroy());
  socket.on("error", () => origin.destroy());
});

server.listen(Number(port), "::", () => proxy.listen(Number(proxyPort), "::", () => console.log("ready")));
