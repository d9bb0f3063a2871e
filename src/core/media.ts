/** Parts of a message that are no text: what kind each is, and what can be said of it in words. */
import type { Content, ContentPart, Message } from './message.js';

export type MediaKind = 'image' | 'audio' | 'video' | 'file';

/** Undefined for text, and for a part of a type that is not known here. */
export function mediaKind({ type }: ContentPart): MediaKind | undefined {
  switch (type) {
    case 'image_url':
    case 'image_embeds':
      return 'image';
    case 'input_audio':
    case 'audio_url':
      return 'audio';
    case 'video_url':
      return 'video';
    case 'file':
      return 'file';
    default:
      return undefined;
  }
}

export function hasMedia(messages: readonly Message[]): boolean {
  return messages.some(({ content }) => holdsMedia(content));
}

export function holdsMedia(content: Content | null): content is readonly ContentPart[] {
  return typeof content !== 'string' && content !== null && content.some((part) => mediaKind(part) !== undefined);
}

/** What a part is, e.g. `image: image/png, 12 KB`. */
export function described(part: ContentPart): string {
  const kind = mediaKind(part) ?? part.type;
  const { source, name, format } = inside(part);
  const data = dataUrl(source);
  const facts =
    data === undefined
      ? [name, format, format === undefined ? source?.slice(0, 200) : sized(bytesOf(source ?? ''))]
      : [name, data.mediaType, sized(bytesOf(data.base64))];
  const known = facts.filter((fact) => fact !== undefined && fact !== '');
  return known.length === 0 ? kind : `${kind}: ${known.join(', ')}`;
}

/** The text of a file that is one; undefined of anything else. */
export function textOfFile(part: ContentPart): string | undefined {
  if (mediaKind(part) !== 'file') return undefined;
  const data = dataUrl(inside(part).source);
  if (data === undefined || !/^(?:text\/|application\/(?:json|xml|yaml|x-yaml|javascript|toml)\b)/.test(data.mediaType))
    return undefined;
  return Buffer.from(data.base64, 'base64').toString('utf8');
}

interface Inside {
  /** An address, a data URL, an id, or base64. */
  readonly source: string | undefined;
  readonly name?: string | undefined;
  readonly format?: string | undefined;
}

function inside(part: ContentPart): Inside {
  const fields = part[part.type];
  const of = (name: string): string | undefined => {
    const value = typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>)[name] : undefined;
    return typeof value === 'string' ? value : undefined;
  };
  if (part.type === 'input_audio') return { source: of('data'), format: of('format') };
  return { source: of('url') ?? of('file_data') ?? of('file_id'), name: of('filename') };
}

function dataUrl(source: string | undefined): { readonly mediaType: string; readonly base64: string } | undefined {
  if (source?.startsWith('data:') !== true) return undefined;
  const comma = source.indexOf(',');
  if (comma < 0) return undefined;
  return { mediaType: source.slice(5, comma).split(';', 1)[0] ?? '', base64: source.slice(comma + 1) };
}

function bytesOf(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return Math.floor((base64.length * 3) / 4) - padding;
}

function sized(bytes: number): string {
  if (bytes < 1024) return `${Math.max(0, bytes)} bytes`;
  const kilobytes = bytes / 1024;
  return kilobytes < 1024 ? `${Math.round(kilobytes)} KB` : `${(kilobytes / 1024).toFixed(1)} MB`;
}
