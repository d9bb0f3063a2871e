/** A block as parts of a message, in the shape the engine is sent them: texts, pictures and files. */
import type { ContentPart } from '../../core/message.js';
import { wordsIn } from '../protocol/foreign_words.js';
import type { AnyBlock, Hosted } from './blocks.js';

type Of<T extends AnyBlock['type']> = Extract<AnyBlock, { type: T }>;

/** None of what is no part of the words: calls, their results, reasoning. */
export function partsOf(block: AnyBlock): readonly ContentPart[] {
  switch (block.type) {
    case 'text':
      return [said(block.text)];
    case 'image':
      return [imageOf(block)];
    case 'document':
      return documentOf(block);
    case 'search_result':
      return [said([block.title, block.source, ...block.content.map(({ text }) => text)].join('\n'))];
    case 'tool_reference':
      return [said(`[tool: ${block.tool_name}]`)];
    case 'tool_use':
    case 'tool_result':
    case 'thinking':
    case 'redacted_thinking':
      return [];
    default:
      return hostedOf(block);
  }
}

const said = (text: string): ContentPart => ({ type: 'text', text });

function imageOf({ source }: Of<'image'>): ContentPart {
  switch (source.type) {
    case 'base64':
      return { type: 'image_url', image_url: { url: `data:${source.media_type};base64,${source.data}` } };
    case 'url':
      return { type: 'image_url', image_url: { url: source.url } };
    case 'file':
      return { type: 'file', file: { file_id: source.file_id } };
    default:
      return source satisfies never;
  }
}

function documentOf({ title, context, source }: Of<'document'>): readonly ContentPart[] {
  const about = [title, context].filter((line) => typeof line === 'string' && line !== '').join('\n');
  const words = about === '' ? [] : [said(about)];
  const file = (fields: Readonly<Record<string, string>>): readonly ContentPart[] => [
    ...(context ? [said(context)] : []),
    { type: 'file', file: { ...fields, ...(title ? { filename: title } : {}) } },
  ];
  switch (source.type) {
    case 'text':
      return [...words, said(source.data)];
    case 'content':
      return typeof source.content === 'string'
        ? [...words, said(source.content)]
        : [...words, ...source.content.flatMap(partsOf)];
    case 'base64':
      return source.media_type.startsWith('text/')
        ? [...words, said(Buffer.from(source.data, 'base64').toString('utf8'))]
        : file({ filename: 'document.pdf', file_data: `data:${source.media_type};base64,${source.data}` });
    case 'url':
      return file({ filename: 'document.pdf', file_data: source.url });
    case 'file':
      return file({ file_id: source.file_id });
    default:
      return source satisfies never;
  }
}

/** Results are kept as the text that is in them; calls, errors and what only their maker can read say nothing. */
function hostedOf(block: Hosted): readonly ContentPart[] {
  if (block.type === 'compaction') return typeof block['content'] === 'string' ? [said(block['content'])] : [];
  if (!block.type.endsWith('_tool_result')) return [];
  const words = wordsIn(block['content']).join('\n');
  return words === '' ? [] : [said(`[${block.type.replace(/_tool_result$/, '')}]\n${words}\n`)];
}
