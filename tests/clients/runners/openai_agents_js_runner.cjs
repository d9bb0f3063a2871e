/** The OpenAI Agents SDK of Node, over both of its models. */
const { Agent, OpenAIProvider, Runner, setTracingDisabled, tool } = require('@openai/agents');

const asked = require('./runner.cjs');

setTracingDisabled(true);
const weather = tool({
  name: 'weather',
  description: 'The weather.',
  strict: false,
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'number' } },
    required: ['city', 'days'],
    additionalProperties: true,
  },
  execute: asked.weather,
});
const agent = new Agent({ name: 'a', instructions: 'Be brief.', model: asked.model, tools: [weather] });
const modelProvider = new OpenAIProvider({
  apiKey: 'any',
  baseURL: asked.baseURL,
  useResponses: asked.api === 'responses',
});
const runner = new Runner({ modelProvider });

asked.run(async () => {
  const history = asked.history();
  if (asked.picture !== undefined) {
    const image = { type: 'input_image', image: `data:image/png;base64,${asked.picture}` };
    asked.keep([
      { role: 'user', content: [{ type: 'input_text', text: 'Look.' }, image] },
      { role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'I see.' }] },
    ]);
    return;
  }
  const input = [...history, { role: 'user', content: asked.words }];
  if (asked.streamed) {
    const result = await runner.run(agent, input, { stream: true });
    for await (const delta of result.toTextStream()) process.stdout.write(delta);
    await result.completed;
    return;
  }
  const result = await runner.run(agent, input);
  console.log(result.finalOutput);
  asked.keep(result.history);
});
