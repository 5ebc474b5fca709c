/**
 * The token stream that code is hashed as.
 *
 * A syntax tree is written in pre-order. Every token says where it ends, so two different trees never give one text:
 *
 * ```
 * Type(            a node; its fields follow in a fixed order, as many as its type has
 * ~                an absent field            + -              true, false
 * [n:              a list of n items          "n:text          a string of n UTF-16 units
 * #n:text          a number, as JavaScript prints it
 * $n;              a local: the n-th one met  !n:name          a global, by its name
 * @n;              a module-level thing: the n-th one met (its digest is hashed beside the text)
 * =n;              the n-th name that a module-level declaration itself binds
 * :n;              a label, by its order
 * ```
 *
 * A string with a lone surrogate would be changed by UTF-8; it is written as `'n:json`, with escapes.
 */
import { hash } from "node:crypto";

/** Part of every pre-image of task code; a change to any rule of this folder that can change a digest raises it. */
export const CODE_VERSION = 1;

/** A string as a token that says its own length. */
export function stringToken(text: string): string {
  if (text.isWellFormed()) return `"${text.length}:${text}`;
  const escaped = JSON.stringify(text);
  return `'${escaped.length}:${escaped}`;
}

/** SHA-256, in hex, of a tag and parts; each part is length-prefixed, and {@link CODE_VERSION} is among them. */
export function codeDigest(tag: string, parts: readonly string[]): string {
  let text = `firesteel/code/${CODE_VERSION}/${tag}[${parts.length}:`;
  for (const part of parts) text += stringToken(part);
  return hash("sha256", text, "hex");
}
