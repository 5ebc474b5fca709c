/**
 * Digests over a graph that may have cycles (functions that call each other).
 *
 * A node's digest covers its own content and everything that it reaches. Without edges it is its own content; without a cycle, the hash of that
 * and of its edges' digests. Nodes of one cycle have no order among them that does not depend on names, so each node's digest is made from its own view: a walk
 * in depth-first order from that node, edges in the order of mention, which writes each node of the same strongly connected component
 * out once and then by its number, and every other node by its digest. Names and files play no part.
 */
import { codeDigest } from "./tokens.ts";

/** An edge; `label` is hashed with it. */
export interface Edge {
  readonly node: GraphNode;
  readonly label: string;
}

/** A node of the graph. */
export interface GraphNode {
  /** What the node is by itself: a digest, tagged by what kind of thing it is. */
  readonly own: string;
  readonly edges: Edge[];
  /** Empty until {@link digestGraph} fills it in. */
  digest: string;
  /** Numbers of the walk that finds components; -1 until then. */
  index: number;
  low: number;
  component: number;
}

/** Fills in the digest of every root, and of whatever it needs. No recursion: helpers may call each other to any depth. */
export function digestGraph(roots: readonly GraphNode[]): void {
  const components = findComponents(roots);
  // A node of a cycle that is reached only from within it needs no digest of its own.
  const entries = new Set<GraphNode>(roots);
  const sizes = components.map((nodes) => nodes.length);
  for (const nodes of components)
    for (const node of nodes)
      for (const { node: to } of node.edges)
        if (to.component !== node.component && sizes[to.component] !== 1) entries.add(to);
  for (const nodes of components)
    for (const node of nodes) if (nodes.length === 1 || entries.has(node)) node.digest = digestOf(node);
}

function digestOf(root: GraphNode): string {
  if (root.edges.length === 0) return root.own;
  const numbers = new Map<GraphNode, number>([[root, 0]]);
  const parts: string[] = [root.own, String(root.edges.length)];
  const stack: { readonly node: GraphNode; next: number }[] = [{ node: root, next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const edge = top.node.edges[top.next++];
    if (edge === undefined) {
      stack.pop();
      continue;
    }
    parts.push(edge.label);
    const number = numbers.get(edge.node);
    if (edge.node.component !== root.component) parts.push(`#${edge.node.digest}`);
    else if (number !== undefined) parts.push(`^${number}`);
    else {
      numbers.set(edge.node, numbers.size);
      parts.push("node", edge.node.own, String(edge.node.edges.length));
      stack.push({ node: edge.node, next: 0 });
    }
  }
  return codeDigest("graph", parts);
}

/** Strongly connected components, each after those that it reaches (Tarjan's algorithm, with a stack of its own). */
function findComponents(roots: readonly GraphNode[]): GraphNode[][] {
  const components: GraphNode[][] = [];
  const open: GraphNode[] = [];
  let count = 0;
  const enter = (node: GraphNode) => {
    node.index = node.low = count++;
    open.push(node);
    return { node, next: 0 };
  };
  for (const root of roots) {
    if (root.index !== -1) continue;
    const stack = [enter(root)];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const { node } = top;
      const to = node.edges[top.next++]?.node;
      if (to !== undefined) {
        if (to.index === -1) stack.push(enter(to));
        else if (to.component === -1) node.low = Math.min(node.low, to.index);
        continue;
      }
      stack.pop();
      const below = stack.at(-1)?.node;
      if (below !== undefined) below.low = Math.min(below.low, node.low);
      if (node.low !== node.index) continue;
      const nodes = open.splice(open.lastIndexOf(node));
      for (const member of nodes) member.component = components.length;
      components.push(nodes);
    }
  }
  return components;
}
