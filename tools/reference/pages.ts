// SPDX-License-Identifier: MIT
// Which pages the reference has, and what stands on each. A module that package.json exports has a
// page of its own; `caraway` is large and has one per theme. A page on which nothing stands is not
// written, so that rows may be here before their code is.

import { MODULES, type PublicExport } from "../public-api.ts";

/** One page. */
export interface Page {
  /** Name of its file, without `.md`. */
  readonly id: string;
  readonly title: string;
  /** The module that exports what stands on it. */
  readonly module: string;
  /** What the reader should know first. Markdown, one string per paragraph. */
  readonly intro: readonly string[];
}

/** A page of `caraway` and what belongs to it. */
interface Theme extends Page {
  /** Names, or namespaces in front of a dot. */
  readonly names?: readonly string[];
  /** Files, in which `*` stands for any name and `**` for any path. */
  readonly files: readonly string[];
}

const [MAIN = { name: "caraway", entry: "src/index.ts" }] = MODULES;

/** The page that `errors-page.ts` adds its table to. */
export const ERRORS_PAGE = "errors";

/** Themes of `caraway`; the last takes what no other does. */
const THEMES: readonly Theme[] = [
  {
    id: "scheduler",
    title: "Coroutines, deadlines, channels",
    module: MAIN.name,
    intro: [
      "An operation does nothing until `yield*` runs it. Coroutines are operations that were started with `go`; they live in " +
        "bundles, and the end of a bundle is the end of all that it holds.",
      "A deadline is a point in time on the loop's clock, in ms: `now() + 100`. `-1` means never, `0` means now: if it can be " +
        "done without waiting. A deadline that is left out is that of the enclosing `withDeadline`, else never. At every wait the " +
        "order is: cancelled, then ready, then the deadline, then waiting.",
    ],
    files: ["scheduler/**"],
  },
  {
    id: "contexts",
    title: "Contexts and drivers",
    module: MAIN.name,
    intro: [
      "A context is what carries the bytes of sockets: a TCP/IP stack of our own over a driver, or the kernel. `tcp` and its like " +
        "use the one in scope when none is given.",
    ],
    files: ["**"],
  },
  {
    id: "tcp",
    title: "TCP",
    module: MAIN.name,
    intro: [
      "Connections as handles. `connect` returns an ESTABLISHED connection or throws; `close` returns once the peer has " +
        "acknowledged everything and sent its own FIN, or throws. A handle belongs to the coroutine that opened it, and is reset " +
        "when that ends.",
      "A peer that no longer answers ends a connection with `ETIMEDOUT` even without a deadline.",
    ],
    names: ["tcp"],
    files: [
      "src/socket/tcp*.ts",
      "src/socket/listener.ts",
      "src/socket/stream.ts",
      "src/tcp/**",
      "src/transport/stream.ts",
    ],
  },
  {
    id: "udp",
    title: "UDP",
    module: MAIN.name,
    intro: ["Datagrams: each is sent and received whole or not at all, and may be lost."],
    names: ["udp"],
    files: ["src/socket/udp*.ts", "src/udp/**", "src/transport/datagram.ts"],
  },
  {
    id: "ipc",
    title: "Local sockets",
    module: MAIN.name,
    intro: ["Byte streams between processes of one machine, over UNIX-domain sockets."],
    names: ["ipc"],
    files: ["src/socket/ipc*.ts"],
  },
  {
    id: ERRORS_PAGE,
    title: "Errors",
    module: MAIN.name,
    intro: [
      "What goes wrong outside the program is a `NetError` with one of the codes below; `isNetError(error, code)` asks for one. " +
        "A wrong type of an argument is a `TypeError`. Every call of the other pages lists its errors.",
    ],
    files: ["scheduler/errno.ts", "scheduler/net-error.ts"],
  },
];

/** What pages of whole modules begin with, by the end of the module's name. */
const MODULE_INTROS: Readonly<Record<string, { readonly title: string; readonly intro: string }>> =
  {
    testing: {
      title: "Testing",
      intro:
        "A simulated network on virtual time: hosts, links with delay and loss, rules for single frames, hostile peers, and the " +
        "check that nothing is left. The same seed gives the same run, packet for packet.",
    },
    mtcp: {
      title: "The mTCP API",
      intro: "The calls of mTCP, by descriptor, over the same sockets.",
    },
    winsock: {
      title: "The Winsock API",
      intro: "The calls of Winsock, by descriptor, over the same sockets.",
    },
  };

const MODULE_PAGES: readonly Page[] = MODULES.slice(1).map(({ name }) => {
  const id = name.slice(name.indexOf("/") + 1).replaceAll("/", "-");
  const known = MODULE_INTROS[id];
  return { id, title: known?.title ?? name, module: name, intro: known ? [known.intro] : [] };
});

/** All pages, in the order of the index; the errors come last. */
export const PAGES: readonly Page[] = [
  ...THEMES.filter((each) => each.id !== ERRORS_PAGE),
  ...MODULE_PAGES,
  ...THEMES.filter((each) => each.id === ERRORS_PAGE),
];

/** The page of an export that is declared in `file`. */
export function pageOf(each: PublicExport, file: string): Page {
  const module = MODULES.find(({ entry }) => entry === each.entry);
  if (module !== undefined && module.name !== MAIN.name) {
    return MODULE_PAGES.find((page) => page.module === module.name) as Page;
  }
  const [namespace = ""] = each.name.split(".");
  const named = THEMES.find((theme) => theme.names?.includes(namespace) === true);
  if (named !== undefined) return named;
  const matching = THEMES.flatMap((theme) =>
    theme.files.filter((pattern) => matches(pattern, file)).map((pattern) => ({ theme, pattern })),
  );
  // The longest pattern says most.
  matching.sort((a, b) => b.pattern.length - a.pattern.length);
  return matching[0]?.theme as Page;
}

function matches(pattern: string, file: string): boolean {
  const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  const body = escaped.replace(/\*\*|\*/g, (star) => (star === "**" ? ".*" : "[^/]*"));
  return new RegExp(`^${body}$`).test(file);
}
