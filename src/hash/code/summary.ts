/** What one module contributes to identities: plain data that depends on the module's text alone, so it is kept from version to version. */

/** A place in a module's text; line and UTF-16 column count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Something that the syntax alone cannot decide. */
export interface Finding extends Place {
  readonly reason: string;
}

/** What a piece of code mentions outside itself. */
export type Reference =
  | { readonly kind: "binding"; readonly name: string; readonly member?: string }
  | { readonly kind: "require"; readonly specifier: string }
  | { readonly kind: "meta"; readonly property: string };

/** A value that JSON has. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** One parameter of a task's function. */
export interface Parameter {
  /** Empty for a destructured one. */
  readonly name: string;
  readonly hasDefault: boolean;
  /** The default, where it is a literal that JSON has. */
  readonly constantDefault?: Json;
  /** Marked `?`. */
  readonly optional: boolean;
  readonly rest: boolean;
  /** Its type, where the annotation is one that a front door can check: `number`, `Dataset`, `string[]`, ... No part of the identity. */
  readonly type?: string;
}

/** A function, class, constant, load-time statement or task body of a module. */
export interface Unit {
  /** Local name; `*default*` for an unnamed default export; empty for a statement or a task body. */
  readonly name: string;
  readonly kind: "function" | "class" | "constant" | "statement" | "body";
  /** Digest of its token stream. */
  readonly code: string;
  readonly start: number;
  readonly end: number;
  /** In the order of their first mention; the token stream names them by index. */
  readonly references: readonly Reference[];
  readonly undecided: readonly Finding[];
  /** What its own load-time code changes or hands out: indices of `references`. */
  readonly touches: readonly number[];
  /** Parameters, where it is a function. */
  readonly parameters?: readonly Parameter[];
  /** A function or class literal: it is never a value that can be encoded. */
  readonly literal?: true;
  /** The index in `references` of `C` in `new C(...)` and `class ... extends C`, and of the function in `task("t", f)`. */
  readonly base?: number;
  /** A method written in it changes `this`: of the thing itself, or of what `new` makes of it. */
  readonly changesSelf?: Finding;
  readonly changesInstance?: Finding;
  /** A regular expression literal with the flag `g` or `y`, which remembers its last match. */
  readonly remembers?: true;
}

/** A change of module state that runs after the module was loaded. */
export interface Mutation extends Finding {
  readonly target: Reference;
  /** It is a change only if the target is a regular expression with memory. */
  readonly onlyIfRemembers?: true;
}

/** The third argument (or so) of a call that may define a task. */
export interface Site {
  /** Offsets at which V8 may place the call. */
  readonly offsets: readonly number[];
  readonly unit: Unit;
  /** The option `args` of the call, or all options where it may be anywhere in them. */
  readonly schemas?: Unit;
}

/** A function that a form is given where it is called; line and column are its own. */
export interface GivenFunction extends Place {
  /** Offsets at which V8 may place the call of the form. */
  readonly offsets: readonly number[];
  readonly form: string;
  /** It is given by its name, which a function of this module has. */
  readonly named: boolean;
  readonly unit: Unit;
  /** What it takes from the code around it; empty for one that can run by itself. */
  readonly captures: readonly Finding[];
}

/** Where an export or import comes from. */
export interface From {
  readonly specifier: string;
  /** `*` is the namespace. */
  readonly name: string;
}

/** All about one module's text. */
export interface ModuleSummary {
  readonly kind: "module" | "commonjs" | "json";
  /** Digest of the content of a `commonjs` or `json` module; empty otherwise. */
  readonly content: string;
  /** Offsets at which lines start. */
  readonly lines: readonly number[];
  readonly imports: Readonly<Record<string, From>>;
  readonly exports: Readonly<Record<string, { readonly local: string } | From>>;
  readonly stars: readonly string[];
  readonly units: Readonly<Record<string, Unit>>;
  readonly statements: readonly Unit[];
  readonly sites: readonly Site[];
  readonly given: readonly GivenFunction[];
  readonly mutations: readonly Mutation[];
  /** Uses of a call's result that are wrong if what is called is a task. */
  readonly misuses: readonly (Finding & { readonly target: Reference })[];
  readonly undecided: readonly Finding[];
}

/** The name of a default export that has none. */
export const DEFAULT_NAME = "*default*";

/** Offsets at which the lines of a text start, by V8's idea of a line end. */
export function lineStarts(text: string): number[] {
  const starts = [0];
  for (const match of text.matchAll(/\r\n|[\n\r\u2028\u2029]/g)) starts.push(match.index + match[0].length);
  return starts;
}

/** Line and column of an offset. */
export function placeOf(lines: readonly number[], offset: number): Place {
  let low = 0;
  let high = lines.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((lines[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - (lines[low] ?? 0) + 1 };
}
