/** The AI SDK as it was in version 5. */
const { createOpenAI } = require('@ai-sdk/openai');
const { generateText, jsonSchema, stepCountIs, streamText, tool } = require('ai');

const asked = require('./runner.cjs');

const openai = createOpenAI({ baseURL: asked.baseURL, apiKey: 'any' });
const inputSchema = jsonSchema({
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'number' } },
  required: ['city', 'days'],
});
const tools = { weather: tool({ description: 'The weather.', inputSchema, execute: asked.weather }) };

asked.run(async () => {
  const messages = asked.history();
  if (asked.picture !== undefined) {
    const image = { type: 'image', image: asked.picture, mediaType: 'image/png' };
    asked.keep([
      { role: 'user', content: [{ type: 'text', text: 'Look.' }, image] },
      { role: 'assistant', content: 'I see.' },
    ]);
    return;
  }
  messages.push({ role: 'user', content: asked.words });
  const model = asked.api === 'chat' ? openai.chat(asked.model) : openai.responses(asked.model);
  const body = { model, messages, tools, stopWhen: stepCountIs(4), maxRetries: 0 };
  if (asked.streamed || asked.words === 'BROKEN') {
    let fault;
    const result = streamText({ ...body, onError: ({ error }) => void (fault = error) });
    for await (const delta of result.textStream) process.stdout.write(delta);
    if (fault !== undefined) throw fault;
    return;
  }
  const { text, response } = await generateText(body);
  console.log(text);
  asked.keep([...messages, ...response.messages]);
});
