/**
 * What a tool server answered, as the text a policy reads: text as it is, everything else named with its kind and size.
 */
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';

import { writeJson } from '../../src/core/text/json.js';

type Content = CallToolResult['content'][number];

export function observationOf(result: CallToolResult): string {
  const parts = result.content.map(textOf);
  if (parts.length === 0 && result.structuredContent !== undefined) return writeJson(result.structuredContent);
  return parts.length === 0 ? '(the tool gave no content)' : parts.join('\n');
}

function textOf(part: Content): string {
  switch (part.type) {
    case 'text':
      return part.text;
    case 'image':
    case 'audio':
      return `[${part.type} of type ${part.mimeType}, ${bytesOf(part.data)} bytes: not shown]`;
    case 'resource_link':
      return `[link to ${part.name}: ${part.uri}]`;
    case 'resource': {
      const { resource } = part;
      if ('text' in resource) return `[resource ${resource.uri}]\n${resource.text}`;
      return (
        `[resource ${resource.uri} of type ${resource.mimeType ?? 'unknown'}, ` +
        `${bytesOf(resource.blob)} bytes: not shown]`
      );
    }
    default:
      return part satisfies never;
  }
}

/** Of base64. */
function bytesOf(data: string): number {
  return Math.floor((data.replace(/=+$/, '').length * 3) / 4);
}
