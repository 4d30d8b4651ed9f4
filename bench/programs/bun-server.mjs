// SPDX-License-Identifier: MIT
// What support/server.ts serves, by Bun's own sockets: bun-server.mjs HOST PORT

const [hostname, portText] = process.argv.slice(2);
const port = Number(portText);
const chunk = new Uint8Array(65_536);

/** Writes what an earlier write could not take. */
function writeRest(socket) {
  const { rest } = socket.data;
  if (rest === null) return;
  const count = socket.write(rest);
  socket.data.rest = count < rest.length ? rest.subarray(count) : null;
}

function echo(socket, data) {
  const { rest } = socket.data;
  if (rest !== null) {
    socket.data.rest = Buffer.concat([rest, data]);
    return writeRest(socket);
  }
  const count = socket.write(data);
  // The data is Bun's again when this returns.
  if (count < data.length) socket.data.rest = Buffer.from(data.subarray(count));
}

function generate(socket) {
  while (socket.write(chunk) === chunk.length);
}

function listen(offset, handlers) {
  Bun.listen({
    hostname,
    port: port + offset,
    socket: {
      open(socket) {
        socket.data = { rest: null };
        socket.setNoDelay(true);
        handlers.open?.(socket);
      },
      data: handlers.data ?? (() => {}),
      drain: handlers.drain ?? writeRest,
      error() {},
    },
  });
}

listen(0, { data: echo });
listen(1, {});
listen(2, { open: generate, drain: generate });
process.stdin.on("end", () => process.exit(0)).resume();
process.stdout.write("ready\n");
