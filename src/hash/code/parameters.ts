/** Parameters of a task's function, so that omitted arguments with constant defaults can be filled in before a call is hashed. */
import type { Node, ParamPattern } from "oxc-parser";
import type { Json, Parameter } from "./summary.ts";

/** Describes the parameters of a function in order; the `this` parameter of TypeScript is none. */
export function describeParameters(params: readonly ParamPattern[]): Parameter[] {
  return realParameters(params).map(describe);
}

/** The parameters without TypeScript's `this`. */
export function realParameters(params: readonly ParamPattern[]): readonly ParamPattern[] {
  const [first] = params;
  return first?.type === "Identifier" && first.name === "this" ? params.slice(1) : params;
}

function describe(param: ParamPattern): Parameter {
  const type = annotationOf(param.type === "AssignmentPattern" ? param.left : param);
  const typed = type === undefined ? {} : { type };
  if (param.type === "AssignmentPattern") {
    const literal = jsonOf(param.right);
    return {
      ...typed,
      name: nameOf(param.left),
      hasDefault: true,
      ...(literal === undefined ? {} : { constantDefault: literal }),
      optional: false,
      rest: false,
    };
  }
  const rest = param.type === "RestElement";
  return {
    ...typed,
    name: rest ? nameOf(param.argument) : nameOf(param),
    hasDefault: false,
    optional: "optional" in param && param.optional === true,
    rest,
  };
}

/** Types that are known by name alone. */
const CHECKABLE: ReadonlySet<string> = new Set(["Date", "Uint8Array", "Dataset", "File", "Directory"]);

function annotationOf(param: Node): string | undefined {
  const annotation = "typeAnnotation" in param ? param.typeAnnotation : null;
  return annotation?.type === "TSTypeAnnotation" ? typeText(annotation.typeAnnotation) : undefined;
}

function typeText(type: Node): string | undefined {
  switch (type.type) {
    case "TSNumberKeyword":
      return "number";
    case "TSStringKeyword":
      return "string";
    case "TSBooleanKeyword":
      return "boolean";
    case "TSBigIntKeyword":
      return "bigint";
    case "TSArrayType":
      return listOf(type.elementType);
    case "TSTypeOperator":
      return type.operator === "readonly" ? typeText(type.typeAnnotation) : undefined;
    case "TSTypeReference": {
      const name = type.typeName.type === "Identifier" ? type.typeName.name : "";
      const [only] = type.typeArguments?.params ?? [];
      if ((name === "Array" || name === "ReadonlyArray") && only) return listOf(only);
      return CHECKABLE.has(name) ? name : undefined;
    }
    default:
      return undefined;
  }
}

function listOf(element: Node): string | undefined {
  const text = typeText(element);
  return text === undefined ? undefined : `${text}[]`;
}

function nameOf(node: Node): string {
  return node.type === "Identifier" ? node.name : "";
}

/** The value of a literal expression that JSON has exactly; undefined for anything else (`-0`, `1e999` and `__proto__` among it). */
export function jsonOf(node: Node): Json | undefined {
  switch (node.type) {
    case "Literal": {
      const { value } = node;
      if (value === null) return "regex" in node || "bigint" in node ? undefined : null;
      if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
      return typeof value === "string" || typeof value === "boolean" ? value : undefined;
    }
    case "TemplateLiteral":
      return node.expressions.length === 0 ? (node.quasis[0]?.value.cooked ?? undefined) : undefined;
    case "UnaryExpression": {
      const value = node.operator === "-" ? jsonOf(node.argument) : undefined;
      return typeof value === "number" && value !== 0 ? -value : undefined;
    }
    case "TSAsExpression":
    case "TSSatisfiesExpression":
    case "TSNonNullExpression":
    case "TSTypeAssertion":
      return jsonOf(node.expression);
    case "ArrayExpression": {
      const items: Json[] = [];
      for (const element of node.elements) {
        const item = element === null ? undefined : jsonOf(element);
        if (item === undefined) return undefined;
        items.push(item);
      }
      return items;
    }
    case "ObjectExpression": {
      const entries: [string, Json][] = [];
      for (const property of node.properties) {
        if (property.type !== "Property" || property.computed || property.method || property.kind !== "init")
          return undefined;
        const key = property.key.type === "Identifier" ? property.key.name : jsonOf(property.key);
        const item = jsonOf(property.value);
        if ((typeof key !== "string" && typeof key !== "number") || key === "__proto__" || item === undefined)
          return undefined;
        entries.push([String(key), item]);
      }
      return Object.fromEntries(entries);
    }
    default:
      return undefined;
  }
}
