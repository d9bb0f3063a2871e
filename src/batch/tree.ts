/**
 * The token tree of a batch: a trie of every prompt and action, in which tokens with the same whole prefix are one node
 * and are computed once. Depth-first order keeps a subtree contiguous, which the trainer's block attention relies on.
 */
import type { TokenTree } from '../core/learning/batch.js';

interface Node {
  readonly token: number;
  readonly children: Map<number, number>;
}

export class TreeBuilder {
  readonly #nodes: Node[] = [];
  readonly #roots = new Map<number, number>();

  /** Adds the path of `ids` from the root; returns the node of the last one. `ids` must not be empty. */
  add(ids: readonly number[]): number {
    let children = this.#roots;
    let node = -1;
    for (const token of ids) {
      const known = children.get(token);
      if (known === undefined) {
        node = this.#nodes.push({ token, children: new Map() }) - 1;
        children.set(token, node);
      } else node = known;
      children = (this.#nodes[node] as Node).children;
    }
    if (node === -1) throw new RangeError('a sequence of a batch has no tokens');
    return node;
  }

  get size(): number {
    return this.#nodes.length;
  }

  /**
   * The finished tree in depth-first order, and the place of each builder node in it. Iterative, because a recursion as
   * deep as the longest prompt would overflow the stack.
   */
  build(): { tree: TokenTree; place: Int32Array } {
    const tokens: number[] = [];
    const parent: number[] = [];
    const place = new Int32Array(this.#nodes.length).fill(-1);
    const pending: { node: number; under: number }[] = [...this.#roots.values()]
      .reverse()
      .map((node) => ({ node, under: -1 }));
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const node = this.#nodes[next.node] as Node;
      const index = tokens.push(node.token) - 1;
      parent.push(next.under);
      place[next.node] = index;
      const children = [...node.children.values()];
      for (let i = children.length - 1; i >= 0; i -= 1) pending.push({ node: children[i] as number, under: index });
    }
    return { tree: { tokens, parent }, place };
  }
}
