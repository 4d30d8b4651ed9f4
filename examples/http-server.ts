// SPDX-License-Identifier: MIT
// A tiny HTTP/1.1 server: GET and HEAD, keep-alive, limits on size and time for whatever a client
// may do. What HTTP is stands in support/http.ts; here is what a server does with a connection.

import { currentLoop, now, type Operation, type TcpConnection, tcp } from "../src/index.ts";
import { commandLine } from "./support/command-line.ts";
import {
  type HttpAnswer,
  HttpError,
  type HttpRequest,
  RequestReader,
  writeAnswer,
} from "./support/http.ts";
import { endpointText, hostOf, launch, NETWORK_OPTIONS } from "./support/launch.ts";

const settings = commandLine(
  {
    name: "http-server",
    text: [
      "Answers GET and HEAD of /, /hello?name=..., /bytes/<n> and /statistics.",
      "With --driver sim a simulated client talks to it.",
    ].join("\n"),
    examples: [
      "npx tsx examples/http-server.ts                # then: curl http://127.0.0.1:8080/",
      "npx tsx examples/http-server.ts --driver tap   # as root; then: curl http://10.77.0.2:8080/",
      "npx tsx examples/http-server.ts --driver sim",
    ],
  },
  {
    ...NETWORK_OPTIONS,
    port: { help: "Where to listen.", default: 8_080, range: [1, 65_535] },
    "max-connections": { help: "Served at once; more wait.", default: 1_000, range: [1, 1e6] },
    "max-head-bytes": { help: "Longest request head.", default: 8_192, range: [64, 1e6] },
    "head-ms": { help: "Time for a client to send a request head.", default: 10_000 },
    "idle-ms": { help: "Time that a connection may be idle.", default: 60_000 },
    "send-ms": { help: "Time for a client to take an answer.", default: 60_000 },
  },
);

/** Longest answer of /bytes/<n>. */
const BYTES_MAX = 100_000_000;

const limits = {
  headBytes: settings["max-head-bytes"],
  headMs: settings["head-ms"],
  idleMs: settings["idle-ms"],
};

function* server(): Operation<void> {
  const listener = yield* tcp.listen({ port: settings.port });
  console.log(`listening on http://${endpointText(listener.local)}/`);
  try {
    const maxConnections = settings["max-connections"];
    yield* listener.serve(serveConnection, { maxConnections, graceMs: 1_000 });
  } finally {
    console.log(`connections served: ${listener.statistics().accepted}`);
  }
}

function* serveConnection(conn: TcpConnection): Operation<void> {
  const requests = new RequestReader(conn, limits);
  try {
    for (let request: HttpRequest | null; (request = yield* requests.next()) !== null; ) {
      const { keepAlive, method } = request;
      const bytes = writeAnswer(answerTo(request), keepAlive, method === "HEAD");
      yield* conn.send(bytes, now() + settings["send-ms"]);
      if (!keepAlive) break;
    }
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    // After a request that cannot be understood nobody knows where the next one starts.
    const answer = { status: error.status, body: `${error.status} ${error.message}\n` };
    yield* conn.send(writeAnswer(answer, false, false), now() + settings["send-ms"]);
  }
  yield* conn.close(now() + 5_000);
}

function answerTo({ method, path, query, hasBody }: HttpRequest): HttpAnswer {
  if (method !== "GET" && method !== "HEAD")
    return { status: 405, headers: { Allow: "GET, HEAD" } };
  if (hasBody) return { status: 413 };
  if (path === "/") {
    const headers = { "Content-Type": "text/html; charset=utf-8" };
    return { status: 200, headers, body: "<h1>Caraway</h1><p>It works.</p>\n" };
  }
  if (path === "/hello") return { status: 200, body: `Hello, ${query.get("name") ?? "you"}!\n` };
  if (path === "/statistics") {
    const headers = { "Content-Type": "application/json" };
    return { status: 200, headers, body: `${JSON.stringify(currentLoop().statistics())}\n` };
  }
  const length = /^\/bytes\/(\d{1,9})$/.exec(path)?.[1];
  if (length === undefined || Number(length) > BYTES_MAX) return { status: 404 };
  const headers = { "Content-Type": "application/octet-stream" };
  return { status: 200, headers, body: new Uint8Array(Number(length)).fill(0x2e) };
}

/** What talks to the server on a simulated network. */
function* client(): Operation<void> {
  const host = hostOf(settings);
  for (const request of [
    "GET / HTTP/1.1\r\nHost: caraway\r\nConnection: close\r\n\r\n",
    "HEAD /hello HTTP/1.1\r\nHost: caraway\r\n\r\nGET /none HTTP/1.0\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: caraway\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a client that falls asleep",
  ]) {
    const conn = yield* tcp.connect({ host, port: settings.port }, now() + 1_000);
    yield* conn.send(Buffer.from(request), now() + 1_000);
    const buf = new Uint8Array(4_096);
    for (let n: number; (n = yield* conn.recvSome(buf, now() + 120_000)) > 0; ) {
      const answer = Buffer.from(buf.subarray(0, n)).toString();
      console.log(`the client sent ${JSON.stringify(request)} and got\n${answer}`);
    }
    yield* conn.close(now() + 1_000);
  }
}

await launch(settings, {
  name: "http-server",
  run: server,
  peer: { address: "10.77.0.1/24", run: client },
});
