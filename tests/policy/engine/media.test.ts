/** Pictures, sound and files on their way to a server that takes them, or does not. */
import { describe, expect, it } from 'vitest';

import { GyreError } from '../../../src/core/errors.js';
import type { ContentPart, Message } from '../../../src/core/message.js';
import { Media } from '../../../src/policy/engine/media.js';
import { refusedKinds } from '../../../src/policy/engine/media_fault.js';

const PNG = `data:image/png;base64,${'A'.repeat(16_384)}`;
const image = (url = PNG): ContentPart => ({ type: 'image_url', image_url: { url } });
const text = (said: string): ContentPart => ({ type: 'text', text: said });
const file = (filename: string, file_data: string): ContentPart => ({ type: 'file', file: { filename, file_data } });
const sound: ContentPart = { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } };
const user = (...content: ContentPart[]): Message => ({ role: 'user', content });
const tool = (...content: ContentPart[]): Message => ({ role: 'tool', tool_call_id: 'c', content });
const said: Message = { role: 'assistant', content: 'ok' };
const next: Message = { role: 'user', content: 'And now?' };

const refusal = (message: string, status = 400, code = 'invalid_value'): GyreError =>
  new GyreError({ side: 'engine', status, code, message });
const ofText = (messages: readonly Message[]): Media => {
  const media = new Media({ inTools: true });
  expect(media.learns(refusal('base is not a multimodal model'), messages)).toBe(true);
  return media;
};

describe('a model that reads text only', () => {
  it.each<[string, ContentPart, string]>([
    ['a picture', image(), '[image: image/png, 12 KB, not shown: this model reads text only]'],
    [
      'an address',
      image('https://a.example/b.png'),
      '[image: https://a.example/b.png, not shown: this model reads text only]',
    ],
    [
      'a file',
      file('a.pdf', 'data:application/pdf;base64,AAAA'),
      '[file: a.pdf, application/pdf, 3 bytes, not shown: this model reads text only]',
    ],
    [
      'a file elsewhere',
      { type: 'file', file: { file_id: 'f1' } },
      '[file: f1, not shown: this model reads text only]',
    ],
    ['sound', sound, '[audio: wav, 3 bytes, not shown: this model reads text only]'],
    ['a file of text', file('a.txt', 'data:text/plain;base64,aGVsbG8='), '[file: a.txt, text/plain, 5 bytes]\nhello'],
  ])('is told in words of %s in an older turn, or in the result of a tool', (_name, part, words) => {
    const messages = [user(text('See:'), part), said, tool(part), next];
    expect(ofText(messages).told(messages)).toEqual([
      { role: 'user', content: `See:\n${words}` },
      said,
      { role: 'tool', tool_call_id: 'c', content: words },
      next,
    ]);
  });

  it('gives the same objects for the same messages, and the very list where there is nothing to say', () => {
    const messages = [user(image()), said, next];
    const media = ofText(messages);
    expect(media.told([...messages, said])[0]).toBe(media.told(messages)[0]);
    const plain = [next, said];
    expect(media.told(plain)).toBe(plain);
  });

  it.each<[string, Message[]]>([
    ['alone', [user(image())]],
    ['after an answer', [next, said, user(text('See:'), image())]],
    ['before an instruction', [user(image()), { role: 'system', content: 'Be brief.' }]],
  ])('refuses what the newest turn of a user brings: %s', (_name, messages) => {
    const media = ofText(messages);
    expect(() => media.told(messages)).toThrow(/image: image\/png, 12 KB.*reads text only/);
    expect(() => media.told(messages)).toThrow(expect.objectContaining({ status: 400, param: 'messages' }) as Error);
  });

  it.each<[string, Message[]]>([
    ['a file of text', [user(file('a.md', 'data:text/markdown;base64,aGVsbG8='))]],
    [
      'what a client shows after the result of a tool',
      [next, said, tool(text('saved')), user(text('It shows:'), image())],
    ],
    ['what was refused, once the user has gone on', [user(image()), next]],
  ])('does not refuse %s', (_name, messages) => {
    expect(JSON.stringify(ofText(messages).told(messages))).not.toContain('base64');
  });
});

describe('a server that takes pictures from users only', () => {
  const media = new Media({ inTools: false });

  it('is shown those of the tools after their results', () => {
    expect(media.told([next, said, tool(text('a'), image()), tool(image('https://a.example'))])).toEqual([
      next,
      said,
      { role: 'tool', tool_call_id: 'c', content: 'a\n[image: image/png, 12 KB, shown in the next message]' },
      { role: 'tool', tool_call_id: 'c', content: '[image: https://a.example, shown in the next message]' },
      { role: 'user', content: [image(), image('https://a.example')] },
    ]);
  });

  it('is shown them with the words that follow, where some do', () => {
    const told = media.told([said, tool(image()), next]);
    expect(told.slice(2)).toEqual([{ role: 'user', content: [image(), text('And now?')] }]);
    expect(told).toEqual(media.told([said, tool(image()), next]));
  });

  it('leaves everything else as it is', () => {
    const messages = [user(image()), said, tool(text('a')), next];
    expect(media.told(messages)).toBe(messages);
  });

  it('may be found out', () => {
    const engine = new Media({ inTools: true });
    const messages = [said, tool(image())];
    expect(engine.told(messages)).toBe(messages);
    const says =
      "Image URLs are only allowed for messages with role 'user', but this message with role 'tool' has one.";
    expect(engine.learns(refusal(says), messages)).toBe(true);
    expect(engine.told(messages)).toHaveLength(3);
  });
});

describe('a refusal', () => {
  const all = new Set(['image', 'audio', 'video', 'file'] as const);

  it.each([
    ['base is not a multimodal model', ['image', 'audio', 'video', 'file']],
    ['At most 0 image(s) may be provided in one prompt.', ['image']],
    ['Unknown part type: file', ['file']],
    ["Unsupported chat content part type: 'file'. Supported types: audio_url, image_url, video_url.", ['file']],
    ['Invalid content type. image_url is only supported by certain models.', ['image']],
    ['image input is not supported - hint: if this is unexpected, you may need to provide the mmproj', ['image']],
    ['this model does not support images', ['image']],
    ['This model does not support vision.', ['image']],
    ['No endpoints found that support image input', ['image']],
    ['messages[0]: unknown variant `image_url`, expected `text`', ['image']],
    ['this model is missing data required for image input', ['image']],
    ['audio is not supported by this model', ['audio']],
    ['1 validation error: messages.0.content Input should be a valid string', ['image', 'audio', 'video', 'file']],
  ])('%s: the server takes none of %j', (says, kinds) => {
    expect(refusedKinds(says, all)).toEqual(kinds);
  });

  it.each([
    'You uploaded an unsupported image. Please make sure your image has of one of the following formats',
    'The image format image/webp is not supported',
    'cannot identify image file',
    'Failed to download the image',
    'At most 2 image(s) may be provided in one prompt.',
    'This model has a maximum context length of 2048 tokens',
    'Incorrect padding in base64 of the image',
  ])('%s: says nothing of what the server takes', (says) => {
    expect(refusedKinds(says, all)).toEqual([]);
  });

  it('of what was not there is no news, nor is a broken connection', () => {
    const media = new Media({ inTools: true });
    expect(media.learns(refusal('base is not a multimodal model'), [next])).toBe(false);
    expect(media.learns(refusal('image input is not supported', 503, 'engine_unreachable'), [user(image())])).toBe(
      false,
    );
    expect(media.learns(new Error('image input is not supported'), [user(image())])).toBe(false);
    expect(media.learns(refusal('image input is not supported', 502, 'engine_error'), [user(image())])).toBe(true);
  });

  it('is believed of its kind only', () => {
    const media = new Media({ inTools: true });
    media.learns(refusal('audio is not supported'), [user(sound)]);
    const messages = [user(image(), sound), said, next];
    expect(media.told(messages)[0]).toEqual(
      user(image(), text('[audio: wav, 3 bytes, not shown: this model takes no audio]')),
    );
  });
});
