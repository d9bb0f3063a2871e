/** Decodes the bytes of a page: by its byte order mark, the charset of its head, its `<meta>`, or as UTF-8. */
import { TextDecoder } from 'node:util';

/** Bytes in which the HTML standard looks for a `<meta>` that names the encoding. */
const PRESCAN = 1_024;

export function decoded(bytes: Buffer, charset: string | undefined, html: boolean): string {
  const label = byMark(bytes) ?? charset ?? (html ? inMeta(bytes) : undefined) ?? 'utf-8';
  return decoderOf(label).decode(bytes);
}

function decoderOf(label: string): TextDecoder {
  try {
    return new TextDecoder(label);
  } catch {
    // An unknown encoding is treated as if none was named.
    return new TextDecoder('utf-8');
  }
}

function byMark(bytes: Buffer): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 'utf-8' : undefined;
}

function inMeta(bytes: Buffer): string | undefined {
  const label = /<meta[^>]*?charset\s*=\s*["']?([\w:.-]+)/i.exec(bytes.toString('latin1', 0, PRESCAN))?.[1];
  // A page whose `<meta>` can be read as ASCII is not in UTF-16 (the HTML standard says UTF-8 then).
  return label !== undefined && /^utf-?16/i.test(label) ? 'utf-8' : label;
}
