/** One block of an answer: as it grows, and how the wire has it. */
import { objectJson } from '../../core/text/arguments.js';
import type { Cited } from '../protocol/beside.js';
import type { Seal } from '../protocol/seal.js';

/** What a text is founded on. There is nothing encrypted to go on from. */
export interface Source {
  readonly type: 'web_search_result_location';
  readonly url: string;
  readonly title: string;
  readonly cited_text: string;
  readonly encrypted_index: '';
}

export function sourceOf({ url, title, words }: Cited): Source {
  return { type: 'web_search_result_location', url, title, cited_text: words, encrypted_index: '' };
}

/** In a stream `text` and `sources` are only what was not sent yet. */
export type Block =
  | { readonly type: 'text'; text: string; readonly sources: Source[] }
  /** `said` is all of it, which is signed. */
  | { readonly type: 'thinking'; text: string; said: string }
  | { readonly type: 'tool_use'; text: string; readonly id: string; readonly name: string; readonly eager: boolean };

const DIRECT = { type: 'direct' } as const;

/** A whole block, as JSON text: an input goes in as the policy wrote it. */
export function wireBlock(block: Block, seal: Seal): string {
  switch (block.type) {
    case 'text': {
      const { text, sources } = block;
      return JSON.stringify({ type: 'text', text, ...(sources.length === 0 ? {} : { citations: sources }) });
    }
    case 'thinking':
      return JSON.stringify({ type: 'thinking', thinking: block.said, signature: seal.of(block.said) });
    case 'tool_use':
      return (
        `{"type":"tool_use","id":${JSON.stringify(block.id)},"name":${JSON.stringify(block.name)},"input":` +
        `${objectJson(block.text)},"caller":${JSON.stringify(DIRECT)}}`
      );
    default:
      return block satisfies never;
  }
}

/** A block of a stream, before anything of it is sent. */
export function begun(block: Block): Readonly<Record<string, unknown>> {
  switch (block.type) {
    case 'text':
      return { type: 'text', text: '' };
    case 'thinking':
      return { type: 'thinking', thinking: '', signature: '' };
    case 'tool_use':
      return { type: 'tool_use', id: block.id, name: block.name, input: {}, caller: DIRECT };
    default:
      return block satisfies never;
  }
}

/** More of a block. */
export function deltaOf({ type }: Block, text: string): Readonly<Record<string, unknown>> {
  switch (type) {
    case 'text':
      return { type: 'text_delta', text };
    case 'thinking':
      return { type: 'thinking_delta', thinking: text };
    case 'tool_use':
      return { type: 'input_json_delta', partial_json: text };
    default:
      return type satisfies never;
  }
}
