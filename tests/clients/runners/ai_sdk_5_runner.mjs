/** The AI SDK as it was in version 5, by each of its providers that speak to us. */
import * as asked from './runner.mjs';

const { generateText, jsonSchema, stepCountIs, streamText, tool } = asked.installed('ai');
const { createAnthropic } = asked.installed('@ai-sdk/anthropic');
const { createOpenAI } = asked.installed('@ai-sdk/openai');
const { createOpenAICompatible } = asked.installed('@ai-sdk/openai-compatible');

globalThis.AI_SDK_LOG_WARNINGS = false;
const where = { baseURL: asked.baseURL, apiKey: 'any' };
const models = {
  'openai.chat': createOpenAI(where).chat,
  'openai.responses': createOpenAI(where).responses,
  'openai-compatible': createOpenAICompatible({ ...where, name: 'gyre', includeUsage: true }),
  anthropic: createAnthropic(where),
};
const weather = tool({
  description: 'The weather.',
  inputSchema: jsonSchema(asked.parameters),
  execute: asked.weather,
});

await asked.run(async () => {
  if (asked.picture !== undefined) {
    const image = { type: 'image', image: asked.picture, mediaType: 'image/png' };
    asked.keep([
      { role: 'user', content: [{ type: 'text', text: 'Look.' }, image] },
      { role: 'assistant', content: 'I see.' },
    ]);
    return;
  }
  const messages = [...asked.history(), { role: 'user', content: asked.words }];
  const model = models[asked.api](asked.model);
  const body = { model, messages, tools: { weather }, stopWhen: stepCountIs(4), maxRetries: 0 };
  if (!asked.streamed) {
    const { text, response } = await generateText(body);
    console.log(text);
    asked.keep([...messages, ...response.messages]);
    return;
  }
  const abort = new AbortController();
  process.on('SIGINT', () => abort.abort());
  let fault;
  const result = streamText({ ...body, abortSignal: abort.signal, onError: ({ error }) => void (fault = error) });
  for await (const part of result.fullStream) if (part.type === 'text-delta') asked.tell(part.text);
  if (fault !== undefined) throw fault;
  asked.keep([...messages, ...(await result.response).messages]);
});
