/** Every way a WebHDFS request can fail, as one {@link FiresteelError} each. */

import { Code, FiresteelError } from "../../errors.ts";

/** What a request is about. */
export interface HdfsSubject {
  /** As the caller wrote it, for messages. */
  readonly uri: string;
  /** Unescaped, without a slash at its start. */
  readonly path: string;
  readonly signal?: AbortSignal | undefined;
}

/** By the class name of Hadoop's exception. */
const CODES: Readonly<Record<string, Code>> = {
  FileNotFoundException: Code.notFound,
  AccessControlException: Code.permissionDenied,
  SecurityException: Code.permissionDenied,
  AuthorizationException: Code.permissionDenied,
  FileAlreadyExistsException: Code.alreadyExists,
  StandbyException: Code.unavailable,
  SafeModeException: Code.unavailable,
  RetriableException: Code.unavailable,
  NSQuotaExceededException: Code.resourceExhausted,
  DSQuotaExceededException: Code.resourceExhausted,
  QuotaByStorageTypeExceededException: Code.resourceExhausted,
  IllegalArgumentException: Code.invalidArgument,
  InvalidPathException: Code.invalidArgument,
  ParentNotDirectoryException: Code.invalidArgument,
  PathIsNotDirectoryException: Code.invalidArgument,
  UnsupportedOperationException: Code.failedPrecondition,
  // Too few DataNodes, a lost block, a pipeline that broke.
  IOException: Code.unavailable,
};

/** The error of an answer. Hadoop's own words are kept, its stack trace is not. */
export function remoteError({ uri }: HdfsSubject, status: number, body: string): FiresteelError {
  const { exception = "", message } = remoteException(body);
  const words = (message ?? body).split("\n")[0]?.trim().slice(0, 500) || `HTTP ${status}`;
  // With permissions on, looking below a file is refused rather than not found.
  const belowFile = exception === "AccessControlException" && words.includes("is not a directory");
  const code = belowFile ? Code.notFound : (CODES[exception] ?? codeOfStatus(status));
  return new FiresteelError(code, `HDFS refused ${uri}: ${exception === "" ? "" : `${exception}: `}${words}`, {
    details: { uri, status, exception, ...(exception === "StandbyException" ? { standby: true } : {}) },
  });
}

function remoteException(body: string): { readonly exception?: string; readonly message?: string } {
  try {
    const { RemoteException: found } = JSON.parse(body) as {
      RemoteException?: { exception?: string; message?: string };
    };
    return found ?? {};
  } catch {
    // A page of a proxy or of the web server itself.
    return {};
  }
}

function codeOfStatus(status: number): Code {
  if (status === 401 || status === 403) return Code.permissionDenied;
  if (status === 404) return Code.notFound;
  if (status === 429) return Code.resourceExhausted;
  return status >= 500 || status === 408 ? Code.unavailable : Code.failedPrecondition;
}

/** The error of a connection. */
export function brokenConnection({ uri }: HdfsSubject, host: string, reason: unknown): FiresteelError {
  if (reason instanceof FiresteelError) return reason;
  const { code = "", message = "" } = reason as { readonly code?: string; readonly message?: string };
  const untrusted = /CERT|SIGNED|SSL|TLS|ALTNAME/.test(code);
  return new FiresteelError(
    untrusted ? Code.failedPrecondition : Code.unavailable,
    untrusted
      ? `certificate of ${host} is not trusted (${code}): ${uri}`
      : `${host} cannot be reached or the connection broke (${message || code}): ${uri}`,
    { cause: reason, details: { uri, lost: true } },
  );
}
