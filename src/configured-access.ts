/**
 * How servers that firesteel.config.ts names are reached: paths of files made absolute, header providers loaded.
 */

import { resolve } from "node:path";
import type { AuthConfig, ServerConfig } from "./config.ts";
import { importFactory } from "./configured-module.ts";
import type { ClusterAuth, HeaderProviderFactory } from "./route/livy/http/credentials.ts";
import type { EndpointAccess, TlsFiles } from "./route/livy/http/endpoint.ts";

/** Whose server it is. */
export interface AccessOwner {
  /** For messages, `cluster prod`. */
  readonly title: string;
  /** What a header provider is told as `cluster`. */
  readonly name: string;
}

/**
 * How a server is reached.
 *
 * @throws FiresteelError `invalid_argument` for a header provider that cannot be loaded
 */
export async function accessOf(
  root: string,
  owner: AccessOwner,
  { auth, tls, headers }: Pick<ServerConfig, "auth" | "tls" | "headers">,
): Promise<EndpointAccess> {
  return {
    ...(auth === undefined ? {} : { auth: await authOf(root, owner, auth) }),
    ...(tls === undefined ? {} : { tls: filesOf(root, tls) }),
    ...(headers === undefined ? {} : { headers }),
  };
}

async function authOf(root: string, { title, name }: AccessOwner, auth: AuthConfig): Promise<ClusterAuth> {
  if ("passwordFile" in auth) return { ...auth, passwordFile: resolve(root, auth.passwordFile) };
  if ("tokenFile" in auth) return { ...auth, tokenFile: resolve(root, auth.tokenFile) };
  if (auth.kind !== "provider") return auth;
  const subject = `header provider of ${title}`;
  const shape = "({ cluster, options }) => (request) => ({ authorization: ... })";
  const factory = await importFactory<HeaderProviderFactory>(root, auth.module, subject, shape);
  return { kind: "provider", headers: await factory({ cluster: name, options: auth.options ?? {} }) };
}

function filesOf(root: string, { ca, cert, key, ...rest }: TlsFiles): TlsFiles {
  const at = (name: string, path: string | undefined) => (path === undefined ? {} : { [name]: resolve(root, path) });
  return { ...rest, ...at("ca", ca), ...at("cert", cert), ...at("key", key) };
}
