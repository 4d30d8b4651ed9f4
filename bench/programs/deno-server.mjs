// SPDX-License-Identifier: MIT
// What support/server.ts serves, by Deno's own sockets: deno-server.mjs HOST PORT

const [hostname, portText] = Deno.args;
const port = Number(portText);
const CHUNK_BYTES = 65_536;

async function writeAll(connection, bytes) {
  for (let at = 0; at < bytes.length; ) at += await connection.write(bytes.subarray(at));
}

async function echo(connection) {
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let count = await connection.read(buffer); count !== null; ) {
    await writeAll(connection, buffer.subarray(0, count));
    count = await connection.read(buffer);
  }
}

async function discard(connection) {
  const buffer = new Uint8Array(CHUNK_BYTES);
  while ((await connection.read(buffer)) !== null);
}

async function generate(connection) {
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (;;) await writeAll(connection, chunk);
}

async function serve(connection, handler) {
  try {
    connection.setNoDelay(true);
    await handler(connection);
  } catch {
    // The peer has gone.
  }
  try {
    connection.close();
  } catch {
    // It is closed.
  }
}

async function listen(offset, handler) {
  const listener = Deno.listen({ hostname, port: port + offset });
  for await (const connection of listener) serve(connection, handler);
}

listen(0, echo);
listen(1, discard);
listen(2, generate);
console.log("ready");
for await (const _ of Deno.stdin.readable);
Deno.exit(0);
