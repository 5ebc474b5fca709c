/**
 * Logs of containers on YARN's NodeManagers over REST (`/ws/v1/node/containers/<id>/logs`, Hadoop 2.9 and later; tried on 3.3.4).
 *
 * `size=-n` gives the last n bytes, framed between `LogContents:` and `End of LogType:`; the frame's `LogLength` is the length of the whole file at that moment, so a file that grows can be copied by its length. There is
 * no way to ask for bytes from an offset on.
 */

import type { Endpoint, EndpointOptions } from "../http/endpoint.ts";

/** A container, and the node that has its logs. */
export interface ContainerPlace {
  /** `http://node:8042` */
  readonly origin: string;
  readonly container: string;
}

/** The end of a log. */
export interface LogEnd {
  /** Bytes of the whole log. */
  readonly length: number;
  /** Its last bytes. */
  readonly bytes: Uint8Array;
}

/** The questions that are asked of NodeManagers. Each rejects when the node gives no answer. */
export interface NodeLogs extends AsyncDisposable {
  /** Bytes of each log of a container, by name; null when the node does not have them (any more). */
  lengths(place: ContainerPlace, signal?: AbortSignal): Promise<ReadonlyMap<string, number> | null>;
  /** The last bytes of one of them; null when the node does not have it. */
  end(place: ContainerPlace, file: string, bytes: number, signal?: AbortSignal): Promise<LogEnd | null>;
}

/** The place that a link to a container's logs names: `http://node:8042/node/containerlogs/<container>/<user>`; null for any other link. */
export function placeOf(logsUrl: string | null): ContainerPlace | null {
  if (logsUrl === null) return null;
  const url = URL.parse(logsUrl);
  const container = url?.pathname.split("/").find((part) => part.startsWith("container_"));
  return url && container ? { origin: url.origin, container } : null;
}

/** Nodes whose connections are kept. */
const MOST_NODES = 32;

/** Makes what asks them; `connect` makes the endpoint of one node. */
export function createNodeLogs(connect: (origin: string) => Endpoint): NodeLogs {
  // By origin, the one that was used last at the end.
  const nodes = new Map<string, Endpoint>();

  function nodeAt(origin: string): Endpoint {
    const node = nodes.get(origin) ?? connect(origin);
    nodes.delete(origin);
    nodes.set(origin, node);
    const [oldest] = nodes;
    if (nodes.size > MOST_NODES && oldest !== undefined) {
      nodes.delete(oldest[0]);
      void oldest[1][Symbol.asyncDispose]();
    }
    return node;
  }

  async function ask({ origin, container }: ContainerPlace, file: string, accept: string, signal?: AbortSignal) {
    const path = `/ws/v1/node/containers/${container}/logs${file}`;
    const { status, text } = await nodeAt(origin).request("GET", path, { signal, headers: { accept } });
    if (status === 200) return text;
    // 404: the container or file is not there (a list of 3.3 says so with 500); 3xx: whoever keeps aggregated logs has it now.
    if (status === 404 || (status >= 300 && status < 400) || /NotFoundException|Unknown container/.test(text))
      return null;
    throw new Error(`NodeManager ${origin} answered HTTP ${status} ${text.slice(0, 200)}`);
  }

  return {
    lengths: async (place, signal) => {
      const text = await ask(place, "", "application/json", signal);
      return text === null ? null : toLengths(JSON.parse(text));
    },
    end: async (place, file, bytes, signal) => {
      const text = await ask(place, `/${file}?size=-${bytes}`, "text/plain", signal);
      return text === null ? null : unframed(text);
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...nodes.values()].map((node) => node[Symbol.asyncDispose]()));
      nodes.clear();
    },
  };
}

/** `{"containerLogsInfo": {"containerLogInfo": [{"fileName": "stdout", "fileSize": "17"}]}}`; a list of one may be an object, and so may the outer one be a list. */
function toLengths(json: unknown): ReadonlyMap<string, number> {
  const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : value == null ? [] : [value]);
  const infos = list((json as { containerLogsInfo?: unknown } | null)?.containerLogsInfo);
  const files = infos.flatMap((info) => list((info as { containerLogInfo?: unknown } | null)?.containerLogInfo));
  return new Map(
    files.map((file) => {
      const { fileName, fileSize } = file as { readonly fileName?: unknown; readonly fileSize?: unknown };
      return [String(fileName), Number(fileSize)] as const;
    }),
  );
}

/** What is between the parts of the frame. */
function unframed(text: string): LogEnd {
  const start = text.indexOf("LogContents:");
  // A log of which nothing is shown has no contents.
  const head = start < 0 ? text : text.slice(0, start);
  const length = Number(/^LogLength: ?(\d+)/m.exec(head)?.[1] ?? Number.NaN);
  const end = text.lastIndexOf("End of LogType:");
  const content = start < 0 ? "" : text.slice(start + "LogContents:".length, end < 0 ? undefined : end);
  const bytes = Buffer.from(content.replace(/^\r?\n/, ""));
  return { length: Number.isNaN(length) ? bytes.length : length, bytes };
}

/** Makes the endpoints of nodes with the access of their ResourceManager. */
export function nodeConnector(
  options: Omit<EndpointOptions, "setting" | "url">,
  connect: (options: EndpointOptions) => Endpoint,
): (origin: string) => Endpoint {
  return (url) => connect({ ...options, setting: "NodeManager", url, connections: 2 });
}
